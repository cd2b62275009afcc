"""From a Dataset to files that other programs read: tables, rasters, and rain for models of sewers and rivers.

Start with `api` (the public functions). `tables` and `rasters` write what a GIS or a spreadsheet reads.
`series_files` writes series for models: `rain` checks them and cuts them into blocks, and each format has a module
with one `SeriesFormat` (`series_format`, `columns`): `swmm`, `hystem`, `infoworks`, `smusi`, `uvf`, `zrxp`,
`dfs0`. `grid_files` writes fields on a model's own grid (`projected_grid`, `grid_models`) as `grid_netcdf` or
`dfs2`, `web_files` on the pixels of maps on the web (`web_grid`), in the colours of `plots`. A file appears
complete or not at all. The room may import `analysis`, `plots`, `reading` and the rooms below them; it computes no
sums.
"""

__all__ = ["api", "grid_files", "rasters", "series_files", "tables"]
