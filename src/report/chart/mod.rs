//! Small charts as SVG, drawn for print: no script, no fixed colours, a few bytes per point.
//!
//! A [`sheet::Sheet`] is a grid of panels with one legend above them. Colours are classes, so that a
//! page can give them for light and dark; a stand-alone file carries its own style.

pub mod axis;
pub mod ink;
pub mod mark;
pub mod path;
pub mod raster;
pub mod sheet;
