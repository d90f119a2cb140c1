// The page: one state, made from the permalink and the catalogue, shown by the map, the panel and the timeline.

import "ol/ol.css";
import "./style.css";

import { loadCatalogue } from "./catalogue.js";
import { DataMap } from "./map.js";
import { Panel, showPoint } from "./panel.js";
import * as permalink from "./permalink.js";
import { Timeline } from "./timeline.js";

const PROJECTIONS = ["EPSG:4326", "EPSG:3857"];

/** A state in which every name exists: the wish where it can be had, else the best that the catalogue offers. */
function resolve(catalogue, wish) {
  const layer = catalogue.layer(wish.layer) ?? catalogue.layers[0];
  const offered = PROJECTIONS.filter((code) => catalogue.setsIn(layer, code).length > 0);
  const projection = offered.includes(wish.projection) ? wish.projection : offered[0];
  if (!projection) throw new Error(`layer ${layer.id} has no tile set that this page can show`);
  const pick = (choices, id, fallback) => choices.find((choice) => choice.id === id) ?? fallback;
  const sets = catalogue.setsIn(layer, projection);
  const value = (dimension, text) => (dimension.values.includes(text) ? text : dimension.default);
  return {
    layer: layer.id,
    projection,
    set: pick(sets, wish.set, sets[0]).id,
    style: pick(layer.styles, wish.style, layer.styles.find((style) => style.isDefault) ?? layer.styles[0]).id,
    time: layer.time && value(layer.time, wish.time),
    dimensions: Object.fromEntries(layer.dimensions.map((d) => [d.id, value(d, wish.dimensions?.[d.id])])),
    opacity: wish.opacity ?? 1,
  };
}

/** The values of all dimensions, as the source's template names them. */
function dimensionsOf(layer, state) {
  return layer.time ? { ...state.dimensions, [layer.time.id]: state.time } : state.dimensions;
}

/** Pixels that the panels cover: a layer is fitted into what is left. */
function padding(panel, hasTime) {
  const narrow = window.innerWidth <= 640;
  return [24, 24, hasTime ? 120 : 48, narrow || panel.isFolded ? 24 : 344];
}

function start(catalogue, panel) {
  let state;
  const map = new DataMap("map", {
    onError: (text) => panel.say(text),
    onBusy: (busy) => (document.documentElement.dataset.state = busy ? "loading" : "ready"),
    onMove: () => remember(),
    onPoint: showPoint,
  });
  const timeline = new Timeline({ onChange: (time) => change({ time }), settled: () => map.settled() });

  function remember() {
    const { position } = map;
    if (state && position) history.replaceState(null, "", permalink.format({ ...state, position }));
  }

  /** Goes to a new state with as little as it takes: a new view, a new source, other tiles, or another opacity. */
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
    map.settled().then(() => (document.documentElement.dataset.state = "ready"));
    remember();
  }

  function change(wish) {
    apply(resolve(catalogue, { ...state, ...wish }));
  }

  function goToPermalink() {
    const wish = permalink.parse(location.hash);
    apply(resolve(catalogue, wish), wish.position);
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
  else panel.say("There is no layer yet. Convert a file with: lazytile convert FILE", { stays: true });
} catch (error) {
  document.documentElement.dataset.state = "failed";
  panel.say(`The map cannot be shown: ${error.message}`, { stays: true });
}
