"""The explorer: a player of radar fields in the browser.

`widget` is the public class; `map_info` and `frames` say what the browser needs, `jobs` and `queries` answer it
from a thread. `packed_fields` holds fields as the browser gets them and keeps them. `own_areas` and `gauges` bring
a user's areas and gauges to the map, `rarity` finds the return period under the pointer, `html_export` writes a
page that needs no kernel, `cube_page` one that reads a cube from a web space. The browser's side is in `js/`;
`zstddec.js` is a decoder of Zstandard for `cube_page`.
"""
