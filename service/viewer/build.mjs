// Bundles the viewer into dist/, which the wheel carries as package data. Run by scripts/build_viewer.py.

import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const fresh = path.join(here, "dist.new");
const dist = path.join(here, "dist");

/** Returns the names of the packages whose code is in the bundle. */
function bundledPackages(metafile) {
  const bundled = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  const names = bundled
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([input]) => input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]);
  return [...new Set(names.filter(Boolean))].sort();
}

/** Returns the licence texts of the bundled packages; their licences require a copy with the code. */
async function licences(metafile) {
  const parts = [];
  for (const name of bundledPackages(metafile)) {
    const folder = path.join(here, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file ? await readFile(path.join(folder, file), "utf8") : `Licence: ${license}`;
    parts.push(`${name} ${version}\n\n${text.trim()}\n`);
  }
  return `The viewer contains code of these packages.\n\n${parts.join(`\n${"-".repeat(72)}\n\n`)}`;
}

/** Returns index.html with a hash of each asset in its URL, so that no browser uses a stale asset after an upgrade. */
async function pageWithHashes(assets) {
  let page = await readFile(path.join(here, "static", "index.html"), "utf8");
  for (const name of assets) {
    const hash = createHash("sha256").update(await readFile(path.join(fresh, name))).digest("hex").slice(0, 12);
    if (!page.includes(`viewer/${name}"`)) throw new Error(`index.html does not load ${name}`);
    page = page.replaceAll(`viewer/${name}"`, `viewer/${name}?${hash}"`);
  }
  return page;
}

await rm(fresh, { recursive: true, force: true });
await mkdir(fresh);
const result = await build({
  entryPoints: { app: path.join(here, "src", "main.js") },
  outdir: fresh,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  legalComments: "none",
  metafile: true,
  absWorkingDir: here,
  logLevel: "warning",
});
await copyFile(path.join(here, "static", "favicon.svg"), path.join(fresh, "favicon.svg"));
await writeFile(path.join(fresh, "index.html"), await pageWithHashes(["app.js", "app.css", "favicon.svg"]));
await writeFile(path.join(fresh, "LICENSES.txt"), await licences(result.metafile));
await rm(dist, { recursive: true, force: true });
await rename(fresh, dist);
