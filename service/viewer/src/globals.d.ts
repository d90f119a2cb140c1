// Set by build.mjs: addresses of the files with Natural Earth's lines, below the page's folder.
declare const ATLAS_COARSE: string;
declare const ATLAS_FINE: string;
declare module "*.css";
