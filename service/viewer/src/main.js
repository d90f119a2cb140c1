// Starts the page: the state, the map, and the views that show the one on the other.

import "ol/ol.css";
import "./style/index.css";

import { followCatalogue, loadCatalogue } from "./catalogue/load.js";
import { showBaseMap } from "./map/base_map.js";
import { showComparison } from "./map/comparison.js";
import { Lines } from "./map/lines.js";
import { MapView } from "./map/map_view.js";
import { Picture } from "./map/picture.js";
import { PointerValues } from "./map/pointer_values.js";
import { help } from "./panels/help.js";
import { PANELS } from "./panels/index.js";
import { layerState } from "./state/defaults.js";
import { History } from "./state/history.js";
import { parse } from "./state/permalink.js";
import { refit, resolve } from "./state/resolve.js";
import { Store } from "./state/store.js";
import { RequestError, Server } from "./tiles/server.js";
import { TileCache } from "./tiles/tile_cache.js";
import { Playback } from "./time/playback.js";
import { showClockTools } from "./time/clock_tools.js";
import { showTrack } from "./time/track.js";
import { Timeline } from "./time/timeline.js";
import { element } from "./ui/dom.js";
import { Drawer } from "./ui/drawer.js";
import { showHints } from "./ui/hints.js";
import { Keys } from "./ui/keys.js";
import { showLayerList } from "./ui/layer_list.js";
import { showLayerSettings } from "./ui/layer_settings.js";
import { showLayerStack } from "./ui/layer_stack.js";
import { Legends } from "./ui/legend.js";
import { showMessage, showTrouble } from "./ui/message.js";
import { showPosition } from "./ui/position.js";
import { showProjections } from "./ui/projection_switch.js";
import { Sidebar } from "./ui/sidebar.js";
import { showStyleSettings } from "./ui/style_settings.js";
import { applyTheme, theme } from "./ui/theme.js";

/** @import {Context, Layer} from "./types.js" */
/** @import {Catalogue} from "./catalogue/catalogue.js" */

const page = document.documentElement;
const BASE = new URL(".", document.baseURI).href;

/** @param {string[]} problems */
function tellProblems(problems) {
  if (problems.length > 0) showMessage(`The link names what is not here: ${problems.slice(0, 4).join(", ")}`, { persistent: true });
}

/** @param {Server} server @param {Catalogue} first */
function start(server, first) {
  let catalogue = first;
  const isLink = location.hash.length > 1;
  const linked = resolve(catalogue, parse(location.hash));
  const store = new Store(linked.state);
  const map = new MapView(element("map"), element("map-b"));
  const sidebar = new Sidebar();
  map.covered = () => sidebar.covered();

  const projectionSet = (/** @type {string} */ code) => {
    const { layers, selected } = store.scene;
    const state = layers.find(({ key }) => key === selected) ?? layers[0];
    return catalogue.setOf(state, code) ?? [...catalogue.sets.values()].find((set) => set.crs === code);
  };
  const selectedLayer = () => {
    const { layers, selected } = store.scene;
    return catalogue.layerOf(layers.find(({ key }) => key === selected) ?? layers[0]);
  };
  store.watch(({ projection }) => projection, (code) => {
    map.setProjection(code, projectionSet(code));
    const { position } = store.state;
    if (position) map.setPosition(position);
  });
  if (!store.state.position) map.fit(selectedLayer(), { animate: false });
  map.onMove((position) => store.update({ position }));

  const cache = new TileCache(server);
  const picture = new Picture({
    store,
    catalogue: () => catalogue,
    map,
    cache,
    base: BASE,
    onError: (error) => {
      const status = error instanceof RequestError ? ` (${error.status})` : "";
      showMessage(`Tile not available${status}: ${error.message}`);
    },
  });
  /** @type {Context} */
  const context = {
    pointer: /** @type {any} */ (null),
    store,
    map,
    picture,
    server,
    get catalogue() {
      return catalogue;
    },
    announce: (text) => (element("announcer").textContent = text),
  };

  context.pointer = new PointerValues(context);

  let isLoading = true;
  /** @type {History | null} */
  let visits = null;
  const setReady = () => (page.dataset.state = isLoading || picture.isPending || visits?.isPending ? "loading" : "ready");
  map.ol().on("loadstart", () => ((isLoading = true), setReady()));
  map.ol().on("loadend", () => ((isLoading = false), setReady()));
  const awaitDrawing = () => {
    isLoading = true;
    map.whenDrawn().then(() => ((isLoading = false), setReady()));
  };
  picture.onPending = (isPending) => {
    if (!isPending) awaitDrawing(); // what was loaded is not yet drawn
    setReady();
  };
  awaitDrawing();

  const goTo = (/** @type {string} */ id) => {
    const layer = catalogue.layer(id);
    if (layer) showWhere(layer, { always: true });
  };

  /** Goes to a layer unless the map shows it, in another projection if it must. @param {Layer} layer @param {{always?: boolean}} [options] */
  function showWhere(layer, { always = false } = {}) {
    const offered = catalogue.projectionsOf(layer);
    const isOffered = offered.includes(store.state.projection);
    if (!isOffered && offered.length > 0) store.update({ projection: offered[0] });
    if (always || !isOffered || !map.shows(layer)) map.fit(layer);
  }

  /** The time to show once a layer is on the map: the present one if it has data then. @param {Layer} layer */
  function timeFor(layer) {
    const { time } = store.scene;
    const times = catalogue.timesOf(layer);
    if (times.length === 0) return time;
    return time !== undefined && times.at(time, 0) !== undefined ? time : times.labels[times.length - 1];
  }

  /** @param {Layer} layer @param {"replace" | "add"} how */
  function choose(layer, how) {
    const state = layerState(layer);
    const { layers, selected } = store.scene;
    const kept = how === "add" ? [...layers, state] : layers.map((each) => (each.key === selected ? { ...state, opacity: each.opacity, blend: each.blend } : each));
    const time = timeFor(layer);
    const { labels } = catalogue.clockOf(kept);
    const nearest = time === undefined ? labels.at(-1) : (catalogue.nearestTime(kept, time) ?? labels.at(-1));
    playback.pause();
    store.updateScene({ layers: kept, selected: state.key, time: nearest });
    const set = catalogue.setOf(state, store.state.projection);
    if (set) map.limitZoom(set);
    showWhere(layer);
  }

  const playback = new Playback(context);
  const timeline = new Timeline(context, playback);
  showTrack(context, playback);
  showClockTools(context, playback, timeline);
  showComparison(context);
  showBaseMap(context);
  showLayerStack(context, { goTo });
  showLayerList(context, { show: (layer) => choose(layer, "replace"), add: (layer) => choose(layer, "add") });
  showLayerSettings(context);
  showProjections(context);
  const legends = new Legends(context);
  showStyleSettings(context, legends);
  context.pointer.watch((values) => legends.mark(values.map(({ shown, value }) => ({ key: shown.state.key, value }))));
  const lines = new Lines(context);
  showPosition(context, (lonLat) => lines.countryAt(lonLat));
  store.watch(
    (state) => [state[state.side].layers.map(({ id }) => id).join()],
    () => (document.title = `${selectedLayer().title} · ${catalogue.overview.title}`),
  );

  const home = () => goTo(selectedLayer().id);
  element("home").addEventListener("click", home);
  const drawer = new Drawer(PANELS, context);
  const keys = new Keys();
  keys.add([
    { key: " ", shown: "space", title: "Play and pause", run: () => playback.toggle() },
    { key: ",", title: "Previous time", run: () => playback.step(-1) },
    { key: ".", title: "Next time", run: () => playback.step(1) },
    { key: "0", title: "Zoom to the whole layer", run: home },
    { key: "+", title: "Zoom in", run: () => map.zoom(1) },
    { key: "-", title: "Zoom out", run: () => map.zoom(-1) },
    { key: "x", title: "Change to the other side of a comparison", run: () => store.state.compare !== "off" && store.update({ side: store.state.side === "a" ? "b" : "a" }) },
    { key: "h", title: "Fold the panel of layers", run: () => sidebar.fold() },
    { key: "/", title: "Search the layers", run: () => sidebar.search() },
    { key: "Escape", shown: "Esc", title: "Close the panel", run: () => drawer.close() },
    ...PANELS.filter(({ key }) => key).map(({ key, title, id }) => ({ key, title: `Panel: ${title}`, run: () => drawer.toggle(id) })),
  ]);
  help.keys = () => keys.all;

  tellProblems(linked.problems);
  visits = new History(store, (hash) => {
    const again = resolve(catalogue, parse(hash));
    store.update(again.state);
    if (again.state.position) map.setPosition(again.state.position);
    else {
      map.fit(selectedLayer(), { animate: false });
      // A view that stays as it was tells of no move.
      store.update({ position: map.position });
    }
    tellProblems(again.problems);
  });
  visits.onPending = setReady;

  picture.whenDrawn().then(() => {
    page.dataset.painted = String(Math.round(performance.now()));
    lines.load();
    showHints(isLink);
    // What a link marks is seen.
    if (store.state.extra.pins || store.state.extra.region) drawer.show("numbers");
  });
  followCatalogue(server, () => catalogue, (next) => {
    if (next.layers.length === 0) return;
    const isReplaced = store.state.a.layers.some(({ id }) => next.layer(id)?.generation !== catalogue.layer(id)?.generation);
    catalogue = next;
    store.update(refit(catalogue, store.state));
    if (isReplaced) picture.reload();
  });
}

applyTheme(theme());
const server = new Server(BASE);
showTrouble(server);
try {
  const catalogue = await loadCatalogue(server);
  if (catalogue.layers.length > 0) start(server, catalogue);
  else {
    page.dataset.state = "empty";
    showMessage("No layers yet. Convert a file with: lazytile convert FILE", { persistent: true });
    followCatalogue(server, () => catalogue, (next) => next.layers.length > 0 && location.reload());
  }
} catch (error) {
  page.dataset.state = "failed";
  showMessage(`The map cannot be displayed: ${/** @type {Error} */ (error).message}`, { persistent: true });
  throw error;
}
