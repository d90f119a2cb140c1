"""What the floods of ``bench_floods.py`` ask for, as a program of wrk."""

from __future__ import annotations

STATISTICS = "/numbers/{layer}/statistics?bbox=-180,-90,%d.%06d,90"
POLAR = (
    "/wms?service=WMS&version=1.3.0&request=GetMap&layers={layer}&styles=&crs=EPSG:3413&resampling=average"
    "&bbox=-4194304,-4194304,4194304,41%d%04d&width=2048&height=2048&format=image/png"
)
FLOODS = {
    "cold tiles": ("/xyz/{layer}/13/%d/%d.png", "n % 8192, (n * 4793 + math.floor(n / 8192)) % 8192"),
    "rescale": ("/xyz/{layer}/2/1/1.png?rescale=270,%d.%06d", "300 + n % 50, n % 1000000"),
    "random-N": ("/xyz/{layer}/2/1/1.png?colormap=random-%d%06d", "seed, n % 1000000"),
    "legends": ("/legends/random-%d%06d_H.svg", "seed, n % 1000000"),
    "missing layers": ("/xyz/missing%d_%d/2/1/1.png", "seed, n"),
    "Host headers": ("/wmts/1.0.0/WMTSCapabilities.xml#host%d-%d.example", "seed, n"),
    "polar averages": (POLAR, "n % 10, math.floor(n / 10) % 10000"),
    "statistics": (STATISTICS, "100 + n % 79, n % 1000000"),
    "contour": ("/xyz/{layer}/5/%d/%d.png?filter=contour:%d.%06d", "n % 32, math.floor(n / 32) % 32, 1, n % 1000000"),
}
"""Target of each request, with a Host after #, and its numbers as Lua computes them from that of the request."""
LUA = """
local n, seed, template = %d, %d, "%s"
local codes = {}
function request()
  n = n + 1
  local target = string.format(template, %s)
  local path, host = target:match("([^#]*)#?(.*)")
  if host ~= "" then return wrk.format("GET", path, {["Host"] = host}) end
  return wrk.format("GET", path)
end
function response(status) codes[status] = (codes[status] or 0) + 1; counted = "" for code, count in pairs(codes) do
  counted = counted .. code .. ":" .. count .. " " end end
local threads = {}
function setup(thread) table.insert(threads, thread) end
function done(s) io.write("RESULT " .. (threads[1]:get("counted") or "") .. "\\n") end
"""
"""Program of wrk: number of the first request, seed, template of the target, its numbers."""
