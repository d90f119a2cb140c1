// The page: one state, derived from the permalink and the catalogue and displayed by map, panel and timeline.

import "ol/ol.css";
import "./style.css";

import { loadCatalogue } from "./catalogue.js";
import { DataMap } from "./map.js";
import { Panel, showPoint } from "./panel.js";
import * as permalink from "./permalink.js";
import { Timeline } from "./timeline.js";

const PROJECTIONS = ["EPSG:4326", "EPSG:3857"];

/** Returns a state in which every name exists: the requested values if available, else the catalogue's defaults. */
function resolve(catalogue, requested) {
  const layer = catalogue.layer(requested.layer) ?? catalogue.layers[0];
  const offered = PROJECTIONS.filter((code) => catalogue.setsIn(layer, code).length > 0);
  const projection = offered.includes(requested.projection) ? requested.projection : offered[0];
  if (!projection) throw new Error(`layer ${layer.id} has no tile matrix set that this page can display`);
  const pick = (choices, id, fallback) => choices.find((choice) => choice.id === id) ?? fallback;
  const sets = catalogue.setsIn(layer, projection);
  const value = (dimension, text) => (dimension.values.includes(text) ? text : dimension.default);
  return {
    layer: layer.id,
    projection,
    set: pick(sets, requested.set, sets[0]).id,
    style: pick(layer.styles, requested.style, layer.styles.find((style) => style.isDefault) ?? layer.styles[0]).id,
    time: layer.time && value(layer.time, requested.time),
    dimensions: Object.fromEntries(layer.dimensions.map((d) => [d.id, value(d, requested.dimensions?.[d.id])])),
    opacity: requested.opacity ?? 1,
  };
}

/** Returns the values of all dimensions, keyed as in the source's URL template. */
function dimensionsOf(layer, state) {
  return layer.time ? { ...state.dimensions, [layer.time.id]: state.time } : state.dimensions;
}

/** Returns the pixels that the panels cover; a layer is fitted into the rest. */
function padding(panel, hasTime) {
  const narrow = window.innerWidth <= 640;
  return [24, 24, hasTime ? 120 : 48, narrow || panel.isFolded ? 24 : 344];
}

function start(catalogue, panel) {
  let state;
  const map = new DataMap("map", {
    onError: (text) => panel.showMessage(text),
    onBusy: (busy) => (document.documentElement.dataset.state = busy ? "loading" : "ready"),
    onMove: () => updatePermalink(),
    onPoint: showPoint,
  });
  const timeline = new Timeline({ onChange: (time) => change({ time }), whenDrawn: () => map.whenDrawn() });

  function updatePermalink() {
    const { position } = map;
    if (state && position) history.replaceState(null, "", permalink.format({ ...state, position }));
  }

  /** Applies a new state with the smallest change: a new view, a new source, other tiles, or another opacity. */
  function apply(next, position) {
    const before = state;
    state = next;
    const layer = catalogue.layer(next.layer);
    const differs = (...names) => names.some((name) => before?.[name] !== next[name]);
    const covered = padding(panel, Boolean(layer.time));
    document.documentElement.dataset.state = "loading";

    if (differs("projection")) map.setView(next.projection, before && map.position, covered);
    if (differs("layer")) map.setPadding(covered);
    if (differs("layer", "style", "set", "projection")) {
      const dimensions = dimensionsOf(layer, next);
      map.show(catalogue.sourceOptions({ ...next, dimensions }), next.opacity);
    } else {
      map.setDimensions(dimensionsOf(layer, next));
      map.setOpacity(next.opacity);
    }
    if (differs("layer")) timeline.setTimes(layer.time?.values ?? [], next.time);
    else if (layer.time) timeline.setCurrent(next.time);
    panel.show(next, layer, catalogue.setsIn(layer, next.projection));

    if (position) map.setPosition(position);
    else if (!before) map.fit(layer.bounds, { animate: false });
    map.whenDrawn().then(() => (document.documentElement.dataset.state = "ready"));
    updatePermalink();
  }

  function change(requested) {
    apply(resolve(catalogue, { ...state, ...requested }));
  }

  function goToPermalink() {
    const requested = permalink.parse(location.hash);
    apply(resolve(catalogue, requested), requested.position);
  }

  const home = () => map.fit(catalogue.layer(state.layer).bounds, { animate: true });
  panel.bind({
    onChange: change,
    onHome: home,
    onFold: () => map.setPadding(padding(panel, Boolean(state.time))),
  });
  const keys = { ",": () => timeline.step(-1), ".": () => timeline.step(1), " ": () => timeline.toggle(), h: () => panel.fold(), 0: home };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, button, a");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  window.addEventListener("hashchange", goToPermalink);
  panel.setLayers(catalogue.layers);
  goToPermalink();
}

const panel = new Panel();
try {
  const catalogue = await loadCatalogue(new URL(".", document.baseURI).href);
  if (catalogue.layers.length > 0) start(catalogue, panel);
  else panel.showMessage("No layers yet. Convert a file with: lazytile convert FILE", { persistent: true });
} catch (error) {
  document.documentElement.dataset.state = "failed";
  panel.showMessage(`The map cannot be displayed: ${error.message}`, { persistent: true });
}
