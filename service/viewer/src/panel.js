// The controls: they display a state and report the user's choices. They hold no state of their own.

const element = (id) => document.getElementById(id);
const FILTER_FROM = 9;

function option({ id, title }, chosen) {
  const result = new Option(title ?? id, id);
  result.selected = id === chosen;
  return result;
}

/** Returns an abstract without the title that it begins with. */
function withoutTitle({ title, abstract }) {
  return abstract.startsWith(title) ? abstract.slice(title.length).trim() : abstract;
}

export class Panel {
  #onChange;
  #onFold = () => {};
  #message;

  constructor() {
    element("fold").addEventListener("click", () => this.fold());
    if (window.matchMedia("(max-width: 640px)").matches) this.fold();
  }

  /** Connects the controls: `onChange` receives an object with the fields of the state that the user changed. */
  bind({ onChange, onHome, onFold }) {
    this.#onChange = onChange;
    this.#onFold = onFold;
    element("layers").addEventListener("change", (event) => onChange({ layer: event.target.value }));
    element("style").addEventListener("change", (event) => onChange({ style: event.target.value }));
    element("set").addEventListener("change", (event) => onChange({ set: event.target.value }));
    element("projection").addEventListener("change", (event) => onChange({ projection: event.target.value }));
    element("opacity").addEventListener("input", (event) => onChange({ opacity: event.target.valueAsNumber }));
    element("filter").addEventListener("input", (event) => this.#filter(event.target.value));
    element("home").addEventListener("click", onHome);
  }

  get isFolded() {
    return document.body.classList.contains("folded");
  }

  fold() {
    const folded = document.body.classList.toggle("folded");
    element("fold").setAttribute("aria-expanded", String(!folded));
    this.#onFold();
  }

  setLayers(layers) {
    element("filter").hidden = layers.length < FILTER_FROM;
    element("layers").replaceChildren(
      ...layers.map((layer) => {
        const input = Object.assign(document.createElement("input"), { type: "radio", name: "layer", value: layer.id });
        const title = Object.assign(document.createElement("b"), { textContent: layer.title });
        const abstract = Object.assign(document.createElement("small"), { textContent: withoutTitle(layer) });
        const label = Object.assign(document.createElement("label"), { title: layer.id });
        const text = document.createElement("span");
        text.append(title, ...(abstract.textContent ? [abstract] : []));
        label.append(input, text);
        return label;
      }),
    );
  }

  #filter(text) {
    for (const label of element("layers").children) {
      label.hidden = !`${label.title} ${label.textContent}`.toLowerCase().includes(text.trim().toLowerCase());
    }
  }

  /** Updates every control to the state. `sets` are those of the projection. */
  show(state, layer, sets) {
    for (const input of element("layers").querySelectorAll("input")) input.checked = input.value === state.layer;
    for (const input of element("projection").querySelectorAll("input")) {
      input.checked = input.value === state.projection;
    }
    element("style").replaceChildren(...layer.styles.map((style) => option(style, state.style)));
    element("style").disabled = layer.styles.length < 2;
    element("set").replaceChildren(...sets.map((set) => option(set, state.set)));
    element("set").disabled = sets.length < 2;
    element("opacity").value = state.opacity;
    this.#showLegend(layer.styles.find((style) => style.id === state.style)?.legend);
    this.#showDimensions(layer.dimensions, state.dimensions);
    document.title = `${layer.title} · lazytile`;
  }

  #showLegend(address) {
    const image = element("legend");
    if (image.getAttribute("src") === (address ?? null)) return;
    image.hidden = true;
    image.onload = () => (image.hidden = false);
    if (address) image.src = address;
    else image.removeAttribute("src");
  }

  #showDimensions(dimensions, chosen) {
    element("dimensions").hidden = dimensions.length === 0;
    element("dimensions").replaceChildren(
      ...dimensions.flatMap((dimension) => {
        const id = `dimension-${dimension.id}`;
        const unit = dimension.unit ? ` (${dimension.unit})` : "";
        const label = Object.assign(document.createElement("label"), { htmlFor: id, textContent: dimension.id + unit });
        const select = Object.assign(document.createElement("select"), { id });
        select.append(...dimension.values.map((value) => option({ id: value }, chosen[dimension.id])));
        select.addEventListener("change", () => this.#onChange({ dimensions: { ...chosen, [dimension.id]: select.value } }));
        return [label, select];
      }),
    );
  }

  /** Shows one line of text, for eight seconds unless `persistent`. */
  showMessage(text, { persistent = false } = {}) {
    clearTimeout(this.#message);
    element("message").textContent = text;
    element("message").hidden = false;
    if (!persistent) this.#message = setTimeout(() => (element("message").hidden = true), 8000);
  }
}

function degrees(value, positive, negative) {
  return `${Math.abs(value).toFixed(3)}° ${value < 0 ? negative : positive}`;
}

/** Displays [longitude, latitude], or nothing if the pointer is off the Earth. */
export function showPoint(point) {
  const onEarth = point && Math.abs(point[1]) <= 90;
  element("position").textContent = onEarth ? `${degrees(point[1], "N", "S")}  ${degrees(point[0], "E", "W")}` : "";
}
