// The calendar, and how the clock runs: speed, step, loop, range.

import { element, h, iconButton, ICONS, select } from "../ui/dom.js";
import { isDated } from "./times.js";

/** @import {Context} from "../types.js" */
/** @import {Playback} from "./playback.js" */
/** @import {Timeline} from "./timeline.js" */

const SPEEDS = [0.5, 1, 2, 4, 8, 15];
const STEPS = [1, 2, 3, 5, 7, 10, 12, 24, 30, 100, 365];

/** @param {Context} context @param {Playback} playback @param {Timeline} timeline */
export function showClockTools(context, playback, timeline) {
  const { store } = context;
  const clock = (/** @type {Partial<import("../types.js").State["clock"]>} */ fields) => store.update({ clock: { ...store.state.clock, ...fields } });

  const popover = h("div", { class: "popover", id: "clock-settings", role: "dialog", "aria-label": "How the clock runs", hidden: true });
  const speed = select(SPEEDS.map((fps) => ({ id: String(fps), title: `${fps} steps a second` })), "2", { id: "speed" });
  speed.addEventListener("change", () => clock({ fps: Number(speed.value) }));
  const step = select(STEPS.map((count) => ({ id: String(count), title: count === 1 ? "every time" : `every ${count}th time` })), "1", { id: "step" });
  step.addEventListener("change", () => clock({ step: Number(step.value) }));
  const loop = h("input", { type: "checkbox", id: "loop" });
  loop.addEventListener("change", () => clock({ loop: loop.checked }));
  const from = h("button", { type: "button", class: "plain", id: "range-from", on: { click: () => clock({ from: store.scene.time }) } });
  const to = h("button", { type: "button", class: "plain", id: "range-to", on: { click: () => clock({ to: store.scene.time }) } });
  const all = h("button", { type: "button", class: "plain", id: "range-all", on: { click: () => clock({ from: undefined, to: undefined }) } }, "All times");
  popover.append(
    h("div", { class: "fields" }, h("label", { for: "speed" }, "Speed"), speed, h("label", { for: "step" }, "Step"), step),
    h("label", { class: "check" }, loop, "Begin again at the end"),
    h("h3", {}, "Range to play"),
    h("div", { class: "buttons" }, from, to, all),
    h("p", { class: "hint" }, "Sets the present time as the first or the last one."),
  );
  store.watch(
    ({ clock: now, side }) => [now, side, store.scene.time],
    () => {
      const { fps, step: count, loop: isLoop, from: first, to: last } = store.state.clock;
      if (!SPEEDS.includes(fps)) speed.append(h("option", { value: String(fps) }, `${fps} steps a second`));
      speed.value = String(fps);
      if (!STEPS.includes(count)) step.append(h("option", { value: String(count) }, `every ${count}th time`));
      step.value = String(count);
      loop.checked = isLoop;
      from.textContent = `From ${first ? timeline.format(first) : "the first"}`;
      to.textContent = `To ${last ? timeline.format(last) : "the last"}`;
    },
  );

  const calendar = h("input", { type: "date", id: "calendar", "aria-label": "Date" });
  calendar.addEventListener("change", () => {
    const { labels } = playback.range.times;
    const wanted = calendar.value;
    if (!wanted) return;
    const exact = labels.find((label) => label.startsWith(wanted));
    const later = labels.find((label) => label >= wanted);
    store.updateScene({ time: exact ?? later ?? labels[labels.length - 1] });
  });
  store.watch(
    (state) => [state[state.side].time, context.catalogue.clockOf(state[state.side].layers)],
    () => {
      const { labels } = playback.range.times;
      calendar.hidden = labels.length < 2 || !isDated(labels[0]);
      if (calendar.hidden) return;
      calendar.min = labels[0].slice(0, 10);
      calendar.max = labels[labels.length - 1].slice(0, 10);
      calendar.value = (store.scene.time ?? "").slice(0, 10);
    },
  );

  const gear = iconButton(ICONS.gear, "How the clock runs", { id: "clock-gear", "aria-expanded": "false", "aria-controls": "clock-settings" });
  const close = () => {
    popover.hidden = true;
    gear.setAttribute("aria-expanded", "false");
  };
  gear.addEventListener("click", () => {
    popover.hidden = !popover.hidden;
    gear.setAttribute("aria-expanded", String(!popover.hidden));
    const box = element("timeline").getBoundingClientRect();
    popover.style.bottom = `${window.innerHeight - box.top + 8}px`;
    popover.style.right = `${Math.max(8, window.innerWidth - box.right)}px`;
  });
  popover.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    close();
    gear.focus();
  });
  document.addEventListener("pointerdown", (event) => {
    const target = /** @type {Node} */ (event.target);
    if (!popover.contains(target) && !gear.contains(target)) close();
  });
  element("clock-tools").append(calendar, gear);
  element("timeline").after(popover);
}
