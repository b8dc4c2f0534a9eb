// Every part of the kit once, so that the tests of the foundation have something to touch.
ippy.explorer("demo", async (ctx) => {
  const { h } = ippy;
  const truth = ctx.picture({ label: "Slice x", zoom: "all", onpick: (row, column) => picked(row, column) });
  const blurred = ctx.picture({ label: "Measurement y_delta", zoom: "all" });
  const error = ctx.picture({ label: "Error", map: "error", zoom: "all" });
  const signed = ctx.picture({ label: "Signed error", map: "signed", ondrag: (rows, columns) => moved(rows, columns) });
  const curtain = ctx.curtain({ left: "Measurement", right: "Reconstruction", zoom: "all" });
  const numbers = ctx.readout({ psnr: "PSNR", ssim: "SSIM", picked: "Pixel", moved: "Moved" });
  const plot = ctx.plot({ label: "A row of the slice" });
  const bars = ctx.plot({ label: "Grey values" });
  const controls = ["angle", "length", "noise_level", "padding", "clean", "slice"].map((key) => ctx.control(key));
  let own = null;

  function picked(row, column) {
    numbers.show({ picked: `${row}, ${column}` });
    truth.mark({ top: row - 3, left: column - 3, height: 7, width: 7 });
  }
  const way = [0, 0];
  function moved(rows, columns) {
    way[0] += rows;
    way[1] += columns;
    numbers.show({ moved: `${way[0]}, ${way[1]}` });
  }

  const files = ctx.fileInput({
    label: "Your picture or weights",
    accept: "image/*,.safetensors",
    onfile: (file) => ctx.attempt(async () => {
      if (file.name.endsWith(".safetensors")) {
        const net = ippy.readNetwork(await file.arrayBuffer());
        numbers.show({ picked: `${net.architecture.n_filters} filters` });
      } else own = await ippy.readPicture(file);
      await again();
    }),
  });
  ctx.body.append(
    h("div", { class: "controls" }, controls, ctx.control("weights", { kind: "radio" }), ctx.zoomControl("all"), files),
    h("div", { class: "pictures" }, [truth, blurred, error, signed, curtain].map(({ element }) => element)),
    numbers.element,
    h("div", { class: "columns" }, plot.element, bars.element),
    ctx.toolbar(ctx.button("Own picture off", () => { own = null; again(); })),
  );

  const keys = ["angle", "length", "noise_level", "padding", "weights", "clean", "slice"];
  const again = ctx.update(keys, async (state, engine) => {
    const x = own ?? (await ctx.slice(state.slice));
    const y = await engine.blur(x, { kernel_type: "motion", kernel_size: state.length, motion_angle: state.angle, padding: state.padding });
    const e = await engine.gaussianNoise(y, state.clean ? 0 : state.noise_level, 0);
    const y_delta = await engine.add(y, e);
    const { x_hat } = await engine.network(await ctx.network(state.weights), y_delta);
    const psnr = await engine.psnr(x_hat, x);
    const ssim = await engine.ssim(x_hat, x);
    const difference = await engine.subtract(x_hat, x);
    truth.show(x);
    blurred.show(y_delta, { caption: `at ${state.angle}°` });
    error.show(difference);
    signed.show(difference);
    curtain.show(y_delta, x_hat);
    numbers.show({ psnr: `${ippy.number(psnr, 2)} dB`, ssim: ippy.number(ssim, 4) });
    const row = Array.from(x.data.subarray(128 * 256, 129 * 256));
    plot.lines([{ name: "x", x: row.map((_, n) => n), y: row }], { xlabel: "column", ylabel: "grey" });
    bars.bars(await engine.histogram(x, 0, 1, 32), { low: 0, high: 1, log: true, xlabel: "grey value" });
    ctx.announce(`PSNR ${ippy.number(psnr, 1)} dB`);
  });
});
