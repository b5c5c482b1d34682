// Draws the steps that were recorded when the site was built: a band a level, each entry over the
// pages that it spans.  Widths grow with the logarithm, so that one page of a
// gigabyte can be seen.
(() => {
  const COLOURS = {
    "data": "#0072b2", "shared data": "#56b4e9", "node": "#d55e00", "shared node": "#e69f00",
    "pinned": "#009e73",
  };
  const NS = "http://www.w3.org/2000/svg";

  function make(tag, attributes, text) {
    const element = document.createElement(tag);
    Object.assign(element, attributes);
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function shape(tag, attributes, text) {
    const element = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
  }

  // Where page `page` of `total` is drawn, from 0 to 1: every stretch that begins or ends somewhere
  // gets its share by the logarithm of its pages.
  function scaleOf(step) {
    const edges = [...new Set([0, step.total, ...step.runs.flatMap((run) => [run[1], Math.min(run[2], step.total)])])];
    edges.sort((a, b) => a - b);
    const places = [0];
    for (let i = 1; i < edges.length; i++) places.push(places[i - 1] + 1 + Math.log2(edges[i] - edges[i - 1]));
    const all = places[places.length - 1] || 1;
    return (page) => places[edges.indexOf(Math.min(page, step.total))] / all;
  }

  function draw(step, width) {
    const band = 46, left = 62, room = width - left - 2;
    const height = Math.max(1, step.levels) * band;
    const svg = shape("svg", {width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": step.says});
    const scale = scaleOf(step);
    for (let level = 1; level <= Math.max(1, step.levels); level++) {
      const y = (level - 1) * band;
      svg.append(shape("text", {x: 0, y: y + 22, class: "level"}, `level ${level}`));
      svg.append(shape("rect", {x: left, y: y + 2, width: room, height: band - 12, class: "hole"}));
    }
    if (!step.runs.length) svg.append(shape("text", {x: left + 10, y: 23, class: "level"}, "no page"));
    for (const [level, first, past, state] of step.runs) {
      const x = left + scale(first) * room, w = Math.max(2, (scale(past) - scale(first)) * room);
      const box = shape("rect", {x, y: (level - 1) * band + 2, width: w, height: band - 12, rx: 2, fill: COLOURS[state] || "#888"});
      box.append(shape("title", {}, `level ${level}: ${state}, pages ${first} to ${past - 1}`));
      svg.append(box);
    }
    return svg;
  }

  function legend(steps) {
    const states = new Set(steps.flatMap((step) => step.runs.map((run) => run[3])));
    const list = make("p", {className: "steps-legend"});
    for (const [state, colour] of Object.entries(COLOURS)) {
      if (!states.has(state)) continue;
      const item = make("span", {});
      const patch = make("i", {});
      patch.style.background = colour;
      item.append(patch, ` ${state}`);
      list.append(item, " ");
    }
    return list;
  }

  function begin() {
    const place = document.getElementById("steps"), data = document.getElementById("steps-data");
    if (!place || !data || place.childElementCount) return;
    const steps = JSON.parse(data.textContent);
    const code = make("pre", {className: "steps-code"}), says = make("p", {}), figures = make("p", {className: "steps-figures"});
    const picture = make("div", {className: "steps-picture"});
    const buttons = make("p", {className: "steps-buttons"});
    const back = make("button", {type: "button", className: "md-button"}, "Back");
    const next = make("button", {type: "button", className: "md-button md-button--primary"}, "Next");
    const where = make("span", {});
    buttons.append(back, next, where);
    place.append(code, picture, legend(steps), says, figures, buttons);
    let at = 0;

    function show() {
      const step = steps[at];
      code.textContent = steps.slice(0, at + 1).map((one) => `>>> ${one.code}`).slice(-4).join("\n");
      says.textContent = step.says;
      figures.textContent = `${step.size} long, ${step.pages} pages (${step.shared} frames shared), ${step.nodes} nodes; the pool holds ${step.held}`;
      picture.replaceChildren(draw(step, Math.max(280, Math.floor(place.clientWidth))));
      where.textContent = ` ${at + 1} of ${steps.length}`;
      back.disabled = at === 0;
      next.disabled = at === steps.length - 1;
    }
    back.addEventListener("click", () => { at -= 1; show(); });
    next.addEventListener("click", () => { at += 1; show(); });
    window.addEventListener("resize", show);
    show();
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
