// The panel of numbers: values at points, and statistics of a region.

import { PointsView } from "../numbers/points_view.js";
import { RegionView } from "../numbers/region_view.js";

/** @import {Panel} from "../types.js" */

/** @type {Panel} */
export const numbersPanel = {
  id: "numbers",
  title: "Numbers",
  key: "n",
  icon: '<path d="M2 13.500h12M2.500 11l3.500-5 3 3 4.500-6.500"/>',
  mount(body, context) {
    const points = new PointsView(context);
    const region = new RegionView(context);
    body.append(points.element, region.element);
    /** @type {() => void} */
    let leave = () => {};
    return {
      opened() {
        for (const view of [points, region]) view.isOpen = true;
        context.map.addDrawing(region.region.layer);
        context.map.addDrawing(points.pins.layer);
        leave = context.map.onClick(({ lonLat }) => {
          if (!region.region.isDrawing && lonLat.every(Number.isFinite)) points.pins.toggle(lonLat);
        });
        points.refresh(true);
        region.refresh();
      },
      closed() {
        for (const view of [points, region]) view.isOpen = false;
        leave();
        region.region.stop();
        context.map.removeDrawing(region.region.layer);
        context.map.removeDrawing(points.pins.layer);
      },
    };
  },
};
