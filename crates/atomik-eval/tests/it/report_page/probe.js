// Measures a report in a frame and lists the problems that a reader would notice. The page itself
// is unchanged: no script can run in it.
"use strict";

// The measurements of one frame.
function look(frame, fold) {
  const view = frame.contentWindow,
    page = view.document,
    root = page.documentElement;
  const problems = new Map();
  const problem = (kind, text) => {
    if (!problems.has(kind)) problems.set(kind, []);
    problems.get(kind).push(text);
  };
  const named = (element) => {
    const id = element.id ? "#" + element.id : "";
    const classes = element.classList.length ? "." + [...element.classList].join(".") : "";
    const text = element.textContent.trim().slice(0, 40);
    return `<${element.localName}${id}${classes}> ${text}`;
  };
  // As it opens: details closed, in a window as tall as the fold.
  frame.style.height = fold + "px";
  const closed = root.scrollHeight;
  const answer = [...page.querySelectorAll("h1 strong, .answer > li")];
  const desk = view.innerWidth > 1000;
  for (const element of desk ? answer : answer.slice(0, 2)) {
    const below = element.getBoundingClientRect().bottom;
    if (below > fold)
      problem("answer is not on the first screen", `${below} of ${fold} px: ${named(element)}`);
  }
  for (const details of page.querySelectorAll("details")) details.open = true;
  frame.style.height = root.scrollHeight + "px";
  const width = view.innerWidth;

  // Nothing is wider than the page, unless it has its own scroll bar.
  if (root.scrollWidth > width)
    problem("page scrolls sideways", `${root.scrollWidth} px in ${width}`);
  for (const element of page.body.querySelectorAll("*")) {
    if (element.closest(".scroll") && !element.matches(".scroll")) continue;
    if (element.closest("svg") && element.localName !== "svg") continue;
    const box = element.getBoundingClientRect();
    if (box.width > 0 && (box.right > width + 1 || box.left < -1))
      problem("beyond the page", `${named(element)}: ${box.left} to ${box.right}`);
    const style = view.getComputedStyle(element);
    if (
      ["hidden", "clip"].includes(style.overflowX) &&
      element.localName !== "svg" &&
      element.scrollWidth > element.clientWidth + 1
    )
      problem("cut off", named(element));
  }

  // The names of rows stay visible when a table is scrolled.
  let scrollers = 0;
  for (const box of page.querySelectorAll(".scroll")) {
    const cue = box.parentElement.querySelector(".cue");
    const cued = cue !== null && cue.getBoundingClientRect().height > 0;
    const scrolls = box.scrollWidth > box.clientWidth;
    if (scrolls !== cued)
      problem(
        scrolls ? "no cue that a table scrolls" : "cue at a table that does not scroll",
        `${box.scrollWidth} in ${box.clientWidth} px: ${named(box)}`,
      );
    if (!scrolls) continue;
    scrollers += 1;
    box.scrollLeft = 60;
    const name = box.querySelector("tbody th[scope=row]");
    if (Math.abs(name.getBoundingClientRect().left - box.getBoundingClientRect().left) > 3)
      problem("names of rows scroll away", named(box));
    if (name.getBoundingClientRect().width > box.clientWidth * 0.6)
      problem("names of rows leave no room", named(name));
    box.scrollLeft = 0;
  }

  // Contrast (WCAG 2.2, 1.4.3 and 1.4.11).
  const colour = (text) => {
    const numbers = (text.match(/[\d.]+/g) || []).map(Number);
    return text.startsWith("rgb")
      ? { rgb: numbers.slice(0, 3), alpha: numbers.length > 3 ? numbers[3] : 1 }
      : null;
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) =>
      v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const dark = view.matchMedia("(prefers-color-scheme: dark)").matches;
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = colour(view.getComputedStyle(at).backgroundColor);
      if (found && found.alpha === 1) return found.rgb;
      if (found && found.alpha > 0) return [127, 127, 127];
    }
    return dark ? [18, 18, 18] : [255, 255, 255];
  };

  // Every line of every text, clipped to its scroll container.
  const lines = [];
  const walker = page.createTreeWalker(page.body, view.NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("title, desc")) continue;
    const style = view.getComputedStyle(element);
    const svg = element.closest("svg");
    const ink = colour(svg ? style.fill : style.color);
    let size = parseFloat(style.fontSize);
    if (svg) size *= svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const seen = ink && ink.alpha === 1 ? contrast(ink.rgb, behind(element)) : 0;
    if (seen < (large ? 3 : 4.5))
      problem("contrast of text", `${seen.toFixed(2)}: ${named(element)}`);
    if (size < 9.5) problem("text too small", `${size.toFixed(1)} px: ${named(element)}`);
    const range = page.createRange();
    // A word may break at a hyphen, and one without end, a path or a command anywhere.
    if (!svg && !element.closest("code"))
      for (const token of node.data.matchAll(/\S+/gu)) {
        if (token[0].length > (element.closest("table") ? 16 : 24)) continue;
        for (const word of token[0].matchAll(/[\p{Script=Latin}\p{N}]+([.,]\d+)*/gu)) {
          const from = token.index + word.index;
          range.setStart(node, from);
          range.setEnd(node, from + word[0].length);
          const boxes = [...range.getClientRects()].filter((box) => box.width > 0);
          if (boxes.some((box) => box.top - boxes[0].top > 5))
            problem("word broken", `${word[0]} in ${named(element)}`);
        }
      }
    range.selectNodeContents(node);
    const clip = (element.closest(".scroll") || root).getBoundingClientRect();
    for (const box of range.getClientRects()) {
      const [left, right] = [
        Math.max(box.left + 1, clip.left),
        Math.min(box.right - 1, clip.right),
      ];
      const inset = box.height * 0.15;
      if (right > left)
        lines.push({
          left,
          right,
          top: box.top + inset,
          bottom: box.bottom - inset,
          node,
          element,
        });
      if (svg) {
        const frame = svg.getBoundingClientRect();
        if (
          box.left < frame.left - 1 ||
          box.right > frame.right + 1 ||
          box.top < frame.top - 2 ||
          box.bottom > frame.bottom + 2
        )
          problem(
            "label outside its chart",
            `${named(element)} in ${svg.getAttribute("aria-labelledby")}`,
          );
      }
    }
  }
  lines.sort((a, b) => a.top - b.top);
  lines.forEach((one, i) => {
    for (let j = i + 1; j < lines.length && lines[j].top < one.bottom; j++) {
      const other = lines[j];
      if (other.node !== one.node && other.left < one.right && one.left < other.right)
        problem("texts on top of each other", `${named(one.element)} and ${named(other.element)}`);
    }
  });

  // One colour for each system, the same wherever it is drawn, and none like another's.
  const systems = new Map();
  const drawnIn = (name, text) => {
    const rgb = colour(text).rgb;
    const known = systems.get(name);
    if (!known) systems.set(name, rgb);
    else if (known.join() !== rgb.join())
      problem("a system of two colours", `${name}: rgb(${known}) and rgb(${rgb})`);
  };
  for (const swatch of page.querySelectorAll(".swatch"))
    drawnIn(
      swatch.nextSibling.textContent.trim(),
      view.getComputedStyle(swatch).backgroundColor,
    );
  for (const svg of page.querySelectorAll("svg")) {
    const texts = [...svg.querySelectorAll("text")].map((text) => {
      const box = text.getBBox();
      return { x: Number(text.getAttribute("x")), y: box.y + box.height / 2, text };
    });
    for (const shape of svg.querySelectorAll("rect, circle, polygon, polyline")) {
      const style = view.getComputedStyle(shape);
      const paints = ["fill", "stroke"].filter((paint) =>
        (shape.getAttribute(paint) || "").startsWith("var(--s"),
      );
      if (paints.length === 0) continue;
      const box = shape.getBBox();
      let lines;
      if (shape.localName === "polyline" && Math.round(box.x + box.width) === 234) {
        // The line from the end of a curve to its label.
        const end = Number(shape.getAttribute("points").trim().split(/[ ,]+/).pop());
        lines = texts.filter((text) => text.x === 238 && Math.abs(text.y - end) < 9);
      } else {
        // A bar or a mark, below the name of its system.
        const middle = box.y + box.height / 2;
        lines = texts.filter((t) => t.x === 6 && t.y < middle && middle - t.y < 30);
      }
      const name = lines.map((line) => line.text.textContent.trim()).join(" ");
      if (name && !name.endsWith("…")) drawnIn(name, style[paints[0]]);
    }
  }
  const oklab = ([r, g, b]) => {
    const line = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    const [x, y, z] = [line(r), line(g), line(b)];
    const l = Math.cbrt(0.4122214708 * x + 0.5363325363 * y + 0.0514459929 * z);
    const m = Math.cbrt(0.2119034982 * x + 0.6806995451 * y + 0.1073969566 * z);
    const s = Math.cbrt(0.0883024619 * x + 0.2817188376 * y + 0.6299787005 * z);
    return [
      0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
      1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
      0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
    ];
  };
  // Marks tell more systems apart than the page has colours.
  if (systems.size <= 12)
    for (const [name, rgb] of systems)
      for (const [other, like] of systems) {
        const [a, b] = [oklab(rgb), oklab(like)];
        const apart = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
        if (name < other && apart < 0.12)
          problem("systems of like colours", `${name} and ${other}: ${apart.toFixed(3)}`);
      }

  // Charts: every shape is visible.
  const charts = [];
  for (const svg of page.querySelectorAll("svg")) {
    const box = svg.getBoundingClientRect();
    const colours = new Set();
    for (const shape of svg.querySelectorAll("rect, circle, polygon, polyline, line")) {
      const style = view.getComputedStyle(shape);
      const paint = [shape.getAttribute("fill"), shape.getAttribute("stroke")].filter(
        (p) => p && p !== "none",
      );
      // A grid may be faint, because the figures can be read without it.
      if (paint.includes("var(--grid)")) continue;
      for (const text of [style.fill, style.stroke]) {
        if (text === "none") continue;
        const drawn = colour(text);
        const seen = drawn ? contrast(drawn.rgb, behind(svg)) : 0;
        if (seen < 3)
          problem(
            "contrast of a chart",
            `${seen.toFixed(2)}: ${text} (${paint}) in ${svg.getAttribute("aria-labelledby")}`,
          );
        const extent = shape.getBBox();
        if (shape.localName !== "polyline" && extent.width >= 3 && extent.height >= 3 && drawn)
          colours.add(drawn.rgb.join());
      }
    }
    charts.push({
      left: box.left,
      top: box.top,
      right: box.right,
      bottom: box.bottom,
      colours: [...colours],
    });
  }

  const verdict = page.querySelector("h1 strong");
  return {
    width,
    dark,
    scrollers,
    closed,
    answer: answer.length,
    systems: systems.size,
    charts,
    lines: lines.length,
    height: root.scrollHeight,
    verdict: verdict.textContent,
    background: (
      colour(view.getComputedStyle(page.body).backgroundColor) || { rgb: [] }
    ).rgb.join(),
    requests: view.performance.getEntriesByType("resource").map((entry) => entry.name),
    problems: [...problems].map(
      ([kind, found]) => `${kind} (${found.length}): ${found.slice(0, 4).join("; ")}`,
    ),
  };
}

window.onload = () => {
  const found = [...document.querySelectorAll("iframe")].map((frame) => {
    try {
      return look(frame, Number(frame.dataset.fold));
    } catch (error) {
      return { problems: [`the probe failed: ${error.stack}`], charts: [], requests: [] };
    }
  });
  document.getElementById("findings").textContent = JSON.stringify(found);
};
