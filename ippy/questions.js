// Feedback for the questions of a page: a button, and a line that tells what the list below holds.
(() => {
  const NUMBER = "Write a number, for example 12 or 0.5.";

  // What a reply of the folded list says; text stays text.
  const said = (reply) => reply.querySelector("span")?.textContent ?? "";
  const isRight = (reply) => reply.dataset.right === "true";

  function judgeNumber(host, replies, inputs) {
    const given = inputs[0].valueAsNumber;
    if (Number.isNaN(given)) return [[false, NUMBER]];
    const value = (reply) => Number(reply.dataset.value);
    // 0.1 + 0.2 counts as 0.3.
    const slack = (number) => 1e-9 * Math.abs(number);
    const isNear = (reply) => {
      const within = isRight(reply) ? Number(host.dataset.within) : 0;
      return Math.abs(given - value(reply)) <= within + slack(value(reply));
    };
    const hit = replies.find(isNear);
    if (hit) return [[isRight(hit), `${isRight(hit) ? "Right." : "No."} ${said(hit)}`]];
    const right = value(replies.find(isRight));
    return [[false, `No, it is ${given < right ? "more" : "less"} than that.`]];
  }

  function judgeChoice(host, replies, inputs) {
    const chosen = replies.filter((_, n) => inputs[n].checked);
    if (!chosen.length) return [[false, "Choose an answer first."]];
    const wrong = chosen.filter((reply) => !isRight(reply));
    if (wrong.length) return wrong.map((reply) => [false, `${reply.querySelector("strong").textContent}: ${said(reply)}`]);
    const missing = replies.filter(isRight).length - chosen.length;
    if (missing) return [[false, `Right so far, but ${missing} more ${missing > 1 ? "belong" : "belongs"} to it.`]];
    return chosen.map((reply) => [true, `${reply.querySelector("strong").textContent}: ${said(reply)}`]);
  }

  function enliven(host) {
    host.dataset.alive = "";
    const fieldset = host.querySelector("fieldset");
    const inputs = [...fieldset.querySelectorAll("input")];
    const replies = [...host.querySelectorAll("li")];
    // The same question may stand on a page twice, and each brings this script.
    window.ippyQuestions = (window.ippyQuestions ?? 0) + 1;
    const name = `ippy-question-${window.ippyQuestions}`;
    for (const input of inputs) if (input.name) input.name = name;

    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Check";
    const output = document.createElement("output"); // read out when it changes
    output.setAttribute("aria-live", "polite");
    fieldset.append(button, output);

    const judge = host.dataset.kind === "number" ? judgeNumber : judgeChoice;
    const check = () =>
      output.replaceChildren(
        ...judge(host, replies, inputs).map(([good, text]) => {
          const line = document.createElement("p");
          line.className = good ? "good" : "bad";
          line.textContent = `${good ? "✓" : "✗"} ${text.trim()}`;
          return line;
        }),
      );
    button.addEventListener("click", check);
    for (const input of inputs) {
      input.addEventListener("input", () => output.replaceChildren());
      input.addEventListener("keydown", (event) => event.key === "Enter" && check());
    }
  }

  const all = () => document.querySelectorAll(".ippy-question:not([data-alive])").forEach(enliven);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", all);
  all();
})();
