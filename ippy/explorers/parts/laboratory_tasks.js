// The laboratory's table of numbers and its questions.

// The three rows of numbers, each with its full precision in data-value.
function createTable() {
  const rows = {};
  const cell = () => h("td", {}, "–");
  for (const key of ["y_delta", "wiener", "network"])
    rows[key] = { psnr: cell(), ssim: cell(), gain: cell() };
  const line = (key) =>
    h("tr", { "data-row": key }, h("th", { scope: "row" }, VIEWS[key]), Object.values(rows[key]));
  const heads = ["", "PSNR [dB]", "SSIM", "gain [dB]"].map((text, n) =>
    n ? h("th", { scope: "col" }, text) : h("td"));
  const element = h("table", {},
    h("caption", { class: "ippy-unseen" }, "How close each picture is to the slice x"),
    h("thead", {}, h("tr", {}, heads)), h("tbody", {}, Object.keys(rows).map(line)));
  return {
    element,
    show(scores) {
      for (const [key, cells] of Object.entries(rows)) {
        const { psnr, ssim } = scores[key];
        const gain = psnr - scores.y_delta.psnr;
        const [isFirst, isWorse] = [key === "y_delta", gain < -0.05];
        cells.psnr.textContent = number(psnr, 1);
        cells.ssim.textContent = number(ssim, 3);
        cells.gain.textContent = isFirst ? "" : `${gain > 0 ? "+" : ""}${number(gain, 1)}${isWorse ? ", worse" : ""}`;
        cells.gain.className = isFirst ? "" : isWorse ? "bad" : "good";
        cells.psnr.dataset.value = psnr;
        cells.ssim.dataset.value = ssim;
      }
    },
  };
}

const acrossIt = (blur) => Math.round(halfTurn(blur.motion_angle + 90));

// Questions to answer before looking. Each sets the laboratory up; the answer is folded away.
const tasks = (noNoise, blur) => [
  ...(!blur.kernel && blur.kernel_type !== "gaussian" ? [{
    question: `The motion turns to ${acrossIt(blur)}°, the weights stay those for ${number(halfTurn(blur.motion_angle), 0)}°. Is the network’s picture better or worse than the measurement?`,
    set: { angle: acrossIt(blur) },
    answer: "Worse: the network undoes a motion that did not happen, and draws edges that are not there. The Wiener filter is told the new angle and keeps up.",
  }] : []),
  {
    question: "The same slice at half its brightness. Who gains, who loses?",
    set: { brightness: 0.5 },
    answer: "Half the picture, half the error: the measurement and the Wiener filter gain exactly 6.0 dB. The network falls below the measurement: it has learnt which greys there are.",
  },
  ...(noNoise ? [{
    question: "A network that has never seen noise gets a measurement with 5 %. Is its picture better or worse than the measurement?",
    set: { weights: noNoise, noise_level: 0.05 },
    answer: "Without noise in training nothing forbids to amplify: the noise comes out larger than it went in. Choose the other weights and compare.",
  }] : []),
  {
    question: "The perfect crime: no noise, the same K, no brake (constant 1e−8), a picture that repeats beyond its border. How many decibels does the Wiener filter reach?",
    set: { noise_level: 0, constant: 1e-8, padding: "circular" },
    answer: "About 60 dB, better than anything in the book. Now turn the dial to finer pixels, with the same slice: it ends below the measurement. The brilliant number was a fact about the simulation.",
    next: { label: "Turn the dial", set: { world: "finer" } },
  },
  {
    question: "A photograph, a page of text, a screenshot. Drop one onto this laboratory. Does the network still beat the Wiener filter?",
    answer: "Seldom. It has learnt slices, not pictures; a method that was not trained has nothing to unlearn.",
  },
];
