/** Served as /dashboard.css: the content security policy allows no style in the page itself. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --bg: #f6f7f9; --panel: #ffffff; --ink: #1a2230; --soft: #566072; --line: #dfe3e9; --accent: #1d5fbf;
  --up: #1a7f4b; --degraded: #9a6200; --down: #c22f2f; --missed: #6b6f80; --none: #d9dde4;
  --up-bg: #e2f4ea; --degraded-bg: #fdf0d5; --down-bg: #fce4e4; --missed-bg: #e9eaef;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #11151c; --panel: #191f29; --ink: #e7ebf2; --soft: #9aa5b8; --line: #2b3442; --accent: #7db2ff;
    --up: #4cc38a; --degraded: #e5a93b; --down: #ff7b72; --missed: #9aa0b4; --none: #313a49;
    --up-bg: #12301f; --degraded-bg: #35280c; --down-bg: #3d1a1c; --missed-bg: #272c38;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
a { color: var(--accent); text-underline-offset: 2px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 12px; top: 8px; background: var(--panel); padding: 6px 10px; z-index: 2; }
header, main, footer { max-width: 1180px; margin: 0 auto; padding: 0 20px; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 16px; padding-top: 22px; }
h1 { font-size: 22px; margin: 0; letter-spacing: -0.01em; }
h1 small { font-size: 13px; font-weight: 400; color: var(--soft); letter-spacing: 0; margin-left: 6px; }
header nav { margin-left: auto; display: flex; gap: 16px; font-size: 14px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); margin: 18px 0 0; background: var(--panel); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.facts div { padding: 10px 14px; box-shadow: 1px 1px 0 0 var(--line); }
.facts dt { font-size: 12.5px; color: var(--soft); }
.facts dd { margin: 0; font-size: 19px; font-weight: 600; font-variant-numeric: tabular-nums; }
.notice { border: 1px solid var(--line); border-left: 4px solid var(--degraded); background: var(--panel); border-radius: 8px; padding: 10px 14px; margin: 14px 0; }
form.filter { display: flex; flex-wrap: wrap; gap: 8px; align-items: end; margin: 0 0 12px; }
form.filter label, .key label { display: grid; gap: 2px; font-size: 12.5px; color: var(--soft); }
input, select, button { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 7px; padding: 5px 10px; min-height: 34px; }
input[type=search] { width: 230px; max-width: 60vw; }
button { cursor: pointer; font-weight: 500; }
button:hover:not(:disabled) { border-color: var(--accent); }
button:disabled { opacity: .55; cursor: default; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.table { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; padding: 10px 14px; color: var(--soft); font-size: 13.5px; }
th { text-align: left; font-size: 12.5px; font-weight: 500; color: var(--soft); padding: 8px 14px; white-space: nowrap; border-bottom: 1px solid var(--line); }
td { padding: 9px 14px; border-bottom: 1px solid var(--line); vertical-align: middle; }
tbody tr:last-child td, tbody tr:last-child th { border-bottom: 0; }
tbody th { font-weight: 600; font-size: 15px; color: var(--ink); white-space: normal; min-width: 200px; max-width: 360px; }
tbody th a { color: inherit; text-decoration: none; }
tbody th a:hover { text-decoration: underline; }
.uri { display: block; font-weight: 400; font-size: 13px; color: var(--soft); overflow-wrap: anywhere; }
.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td small { display: block; color: var(--soft); font-size: 12.5px; white-space: nowrap; }
.state { display: inline-block; padding: 2px 10px; border-radius: 99px; font-size: 13px; font-weight: 600; white-space: nowrap; background: var(--missed-bg); color: var(--missed); }
.state.up, .state.ok { background: var(--up-bg); color: var(--up); }
.state.degraded { background: var(--degraded-bg); color: var(--degraded); }
.state.down { background: var(--down-bg); color: var(--down); }
.strip { display: block; width: 168px; height: 26px; }
.strip .none { fill: var(--none); } .strip .up { fill: var(--up); } .strip .degraded { fill: var(--degraded); }
.strip .down { fill: var(--down); } .strip .missed { fill: var(--missed); }
tr.stopped th, tr.stopped td { color: var(--soft); }
.empty { padding: 34px 20px; text-align: center; color: var(--soft); }
.pages { display: flex; gap: 16px; padding: 12px 2px; }
.key { margin: 12px 0; font-size: 14px; }
.key form { display: flex; gap: 8px; align-items: end; margin-top: 8px; }
.act { display: none; }
.js .act { display: revert; }
#said { min-height: 1.5em; font-size: 14px; color: var(--down); margin: 2px 0; }
footer { padding-top: 10px; padding-bottom: 40px; font-size: 13px; color: var(--soft); }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 760px) {
  header, main, footer { padding-left: 12px; padding-right: 12px; }
  thead { display: none; }
  tbody tr { display: grid; grid-template-columns: 1fr auto; gap: 2px 12px; padding: 10px 12px; border-bottom: 1px solid var(--line); }
  tbody tr:last-child { border-bottom: 0; }
  td, tbody th { padding: 2px 0; border: 0; max-width: none; min-width: 0; }
  tbody th { grid-column: 1 / -1; }
  td::before { content: attr(data-label) " "; color: var(--soft); font-size: 12.5px; }
  td.bare::before { content: none; }
  .num { text-align: left; }
}
@media (prefers-reduced-motion: no-preference) { button { transition: border-color .15s; } }
`;
