// Reads arrays with zarrita and prints their shapes, some numbers and the sum of all: node read_zarr.mjs URL PATH...
import * as zarr from "zarrita";

const [url, ...paths] = process.argv.slice(2);
const store = await zarr.withConsolidatedMetadata(new zarr.FetchStore(url));
const found = { contents: store.contents().map((each) => each.path).sort(), arrays: {} };
for (const path of paths) {
  const array = await zarr.open(zarr.root(store).resolve(path), { kind: "array" });
  const { data, shape } = await zarr.get(array);
  let sum = 0;
  for (const value of data) sum += Number(value);
  found.arrays[path] = { shape, sum, first: Number(data[0]), last: Number(data[data.length - 1]), attributes: array.attrs };
}
console.log(JSON.stringify(found));
