"""How the report looks: light on paper, dark on a dark screen."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1d2127; --quiet: #6a7079; --edge: #dde0e4;
  --accent: #0072b2; --faint: #9aa0a8; --amber: #c98200; }
@media (prefers-color-scheme: dark) { :root { --ground: #14161a; --text: #e8eaee; --quiet: #9aa1ab; --edge: #2c3036;
  --accent: #56b4e9; --faint: #70757d; --amber: #e69f00; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 28px; margin: 0; } h2 { font-size: 19px; margin: 36px 0 6px; }
.quiet, figcaption { color: var(--quiet); font-size: 13px; } p { margin: 4px 0; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0 8px; }
.tiles div { border: 1px solid var(--edge); border-radius: 8px; padding: 10px 16px; min-width: 110px; }
.tiles strong { display: block; font-size: 24px; font-weight: 600; } .tiles span { color: var(--quiet); font-size: 13px; }
.figures { display: flex; flex-wrap: wrap; gap: 14px 20px; } figure { margin: 6px 0; }
.series { break-inside: avoid-page; border-top: 1px solid var(--edge); margin-top: 28px; }
.series h2 { margin-top: 18px; }
svg { max-width: 100%; height: auto; } svg text { fill: var(--quiet); font-size: 10px; } svg .title { font-size: 11px; }
.grid { stroke: var(--edge); stroke-width: 1; } .bar { fill: var(--accent); }
circle.used { fill: var(--accent); } circle.out { fill: none; stroke: var(--faint); stroke-width: 1.4; }
.error { stroke: var(--accent); stroke-width: 1; opacity: .6; } .error.out { stroke: var(--faint); }
polyline { fill: none; stroke: var(--faint); stroke-width: 1.4; } polyline.dash { stroke-dasharray: 5 4; }
.spoke { stroke: var(--accent); stroke-width: 1.6; } .spoke.out { stroke: var(--faint); stroke-dasharray: 2 3; }
ul { padding-left: 18px; margin: 6px 0; } li b { color: var(--amber); font-weight: 600; margin-right: 4px; }
.sheet { display: flex; flex-wrap: wrap; gap: 5px; margin-top: 10px; }
.sheet figure { margin: 0; text-align: center; } .sheet img { display: block; border-radius: 3px; width: 88px; }
.sheet .out img { opacity: .35; } .sheet .out figcaption { text-decoration: line-through; }
table { border-collapse: collapse; width: 100%; font-size: 14px; } th { text-align: left; color: var(--quiet); font-weight: 500; }
td, th { padding: 4px 10px 4px 0; border-bottom: 1px solid var(--edge); vertical-align: top; }
code { font-size: 13px; } @media print { main { max-width: none; } }
"""
