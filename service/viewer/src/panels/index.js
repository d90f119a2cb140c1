// The panels of the drawer, in the order of their buttons. To add one, write a module that exports a `Panel` and list
// it here; service/viewer/README.md says what it gets.

import { comparePanel } from "./compare_panel.js";
import { helpPanel } from "./help.js";
import { howPanel } from "./how_panel.js";
import { mapPanel } from "./map_panel.js";
import { numbersPanel } from "./numbers_panel.js";
import { takePanel } from "./take_panel.js";

/** @import {Panel} from "../types.js" */

/** @type {Panel[]} */
export const PANELS = [numbersPanel, comparePanel, takePanel, mapPanel, howPanel, helpPanel];
