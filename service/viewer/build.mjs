// Bundles the viewer into dist/, which the wheel carries as package data. Run by scripts/build_viewer.py.

import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import zlib from "node:zlib";

import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const fresh = path.join(here, "dist.new");
const dist = path.join(here, "dist");
/** Natural Earth at 1:110 million and at 1:50 million. */
const ATLASES = { ATLAS_COARSE: "countries-110m", ATLAS_FINE: "countries-50m" };

/** Returns the names of the packages whose code is in the bundle. */
function bundledPackages(metafile) {
  const bundled = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  const names = bundled
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([input]) => input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]);
  return [...new Set([...names.filter(Boolean), "world-atlas"])].sort();
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

/** Returns index.html with a hash of each asset in its URL, so that no browser uses a stale asset after an upgrade. */
async function pageWithHashes(assets) {
  let page = await readFile(path.join(here, "static", "index.html"), "utf8");
  for (const name of assets) {
    const hash = hashOf(await readFile(path.join(fresh, name)));
    if (!page.includes(`viewer/${name}"`)) throw new Error(`index.html does not load ${name}`);
    page = page.replaceAll(`viewer/${name}"`, `viewer/${name}?${hash}"`);
  }
  return page;
}

/** Copies the atlases, with their hashes in their names; returns the addresses as JavaScript. */
async function copyAtlases() {
  const addresses = {};
  for (const [name, file] of Object.entries(ATLASES)) {
    const content = await readFile(path.join(here, "node_modules", "world-atlas", `${file}.json`));
    const target = `${file}-${hashOf(content)}.json`;
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
await writeFile(path.join(fresh, "index.html"), await pageWithHashes(["app.js", "app.css", "favicon.svg"]));
await writeFile(path.join(fresh, "LICENSES.txt"), await licences(result.metafile));
await compress();
await rm(dist, { recursive: true, force: true });
await rename(fresh, dist);
