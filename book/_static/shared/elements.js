// Elements of a page and its colours, for everything that readers can play with.

let nextId = 0;

/** An element with properties and children; `label` is its accessible name. */
export function make(tag, properties = {}, ...children) {
  const { label, ...others } = properties;
  const element = Object.assign(document.createElement(tag), others);
  if (label) element.setAttribute("aria-label", label);
  element.append(...children);
  return element;
}

/** A row of a form: a label, which is part of the page's text, beside its control. */
export function control(text, input, ...more) {
  input.id ||= `control-${nextId++}`;
  return make("div", { className: "explorer-control" }, make("label", { htmlFor: input.id, textContent: text }), input, ...more);
}

/** A list of [value, text] to choose from. */
export function choice(options, chosen) {
  const select = make("select");
  for (const [value, text] of options) select.add(new Option(text, value, false, value === chosen));
  return select;
}

/** A slider over a list of values: arrow keys step through the list, and the value itself is what is announced. */
export function slider(values, chosen, unit) {
  const input = make("input", { type: "range", min: 0, max: values.length - 1 });
  input.value = values.indexOf(chosen);
  const output = make("output");
  const show = () => {
    output.textContent = `${values[input.value]} ${unit}`;
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", show);
  show();
  return { input, output, get value() { return values[input.value]; } };
}

/** Colours of the page as it is now, light or dark. */
export function look() {
  const theme = document.documentElement.dataset.theme === "dark" ? "dark" : "light";
  const style = getComputedStyle(document.body);
  return { theme, ink: style.color, paper: style.backgroundColor };
}

/** Call once, when an element comes near the screen: what nobody scrolls to loads nothing. */
export function whenNear(element, start) {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    start();
  }, { rootMargin: "600px" });
  observer.observe(element);
}
