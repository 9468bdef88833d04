"""The look of the pages, light and dark, from a phone's width on."""

from __future__ import annotations

#: The style sheet.
CSS = """
:root { --bg:#f4f6f8; --card:#fff; --ink:#1b2227; --soft:#56616b; --line:#d8dee4; --link:#0b57a4;
  --good:#166e32; --bad:#b3261e; --busy:#7a5000; --held:#7b3fa0; --idle:#4d5761; --moving:#0b57a4;
  --wash:14%; }
body.body--dark { --bg:#12161a; --card:#1c2227; --ink:#e8edf1; --soft:#a3adb6; --line:#343c44;
  --link:#8ec5ff; --good:#6fd692; --bad:#ff9a90; --busy:#ffcf70; --held:#d7a6f2; --idle:#b3bcc4;
  --moving:#8ec5ff; --wash:22%; }
body { background:var(--bg); color:var(--ink); font:15px/1.5 system-ui,'DejaVu Sans',sans-serif; }
a { color:var(--link); } td a, dd a, p a { text-decoration:underline; }
a:focus-visible, button:focus-visible, input:focus-visible,
select:focus-visible, summary:focus-visible, [tabindex]:focus-visible {
  outline:3px solid #ffb300; outline-offset:2px; }
/* Quasar forbids these an outline of their own, in a layer that nothing here can overrule. */
.q-checkbox:focus-visible .q-checkbox__inner, .q-item:focus-visible .q-item__section--main {
  outline:3px solid #ffb300; outline-offset:2px; }
.nicegui-content { padding:0 !important; gap:0; display:block !important; }
body { --q-primary:var(--link) !important; } .q-btn { text-transform:none; }
.q-btn.bg-primary { color:var(--card) !important; }
.q-table__card, .q-table { background:transparent; color:inherit; }
.nicegui-header { background:transparent; color:inherit; padding:0; display:block; }
.top { display:flex; flex-wrap:wrap; align-items:center; gap:.3rem 1rem; padding:.6rem 1rem;
  background:var(--card); border-bottom:1px solid var(--line); }
.top strong { font-size:1.05rem; } .top nav { display:flex; flex-wrap:wrap; gap:.2rem; }
.top nav a { padding:.35rem .7rem; border-radius:8px; text-decoration:none; color:var(--ink); }
.top nav a[aria-current] { background:color-mix(in srgb, var(--link) 16%, transparent);
  font-weight:600; }
.top form { margin:0 0 0 auto; }
.skip { position:absolute; left:-999px; } .skip:focus { left:1rem; top:.5rem; z-index:9;
  background:var(--card); padding:.5rem; }
.page { padding:1rem; max-width:1280px; margin:0 auto; }
h1 { font-size:1.4rem; line-height:1.3; margin:.2rem 0 1rem; font-weight:650; }
h2 { font-size:1.05rem; line-height:1.3; margin:0 0 .6rem; font-weight:650; }
.card { background:var(--card); border:1px solid var(--line); border-radius:12px;
  padding:1rem; margin-bottom:1rem; min-width:0; }
.cards { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));
  gap:0 1rem; }
@media (min-width:1000px) { .cards.uneven { grid-template-columns:2fr 3fr; } }
.tiles { display:flex; flex-wrap:wrap; gap:.5rem; }
.tiles a { flex:1 1 7rem; padding:.6rem .8rem; border-radius:10px; text-decoration:none;
  border:1px solid var(--line); color:var(--ink); background:var(--card); }
.tiles b { display:block; font-size:1.35rem; }
.scroll { overflow-x:auto; border-radius:8px; }
table { border-collapse:collapse; width:100%; font-size:.92rem; }
th { text-align:left; color:var(--soft); font-weight:600; white-space:nowrap; }
th, td { padding:.4rem .7rem .4rem .2rem; border-bottom:1px solid var(--line);
  vertical-align:top; }
tbody tr:last-child > td { border-bottom:0; }
.scroll + p { margin:.4rem 0 0; } .scroll + .scroll, p + .scroll { margin-top:.8rem; }
.card.q-expansion-item { padding:.2rem 0; }
[aria-label=History] td:last-child { overflow-wrap:anywhere; min-width:12rem; }
td time, .badge { white-space:nowrap; } .none { color:var(--soft); }
.badge { display:inline-block; padding:.05rem .5rem; border-radius:99px; font-size:.8rem;
  font-weight:600; color:var(--c); background:color-mix(in srgb, var(--c) var(--wash), transparent);
}
.good { --c:var(--good); } .bad { --c:var(--bad); } .busy { --c:var(--busy); }
.held { --c:var(--held); } .idle { --c:var(--idle); } .moving { --c:var(--moving); }
.bar { display:flex; width:8rem; max-width:40vw; height:.7rem; border-radius:99px;
  overflow:hidden; background:var(--line); } .bar i { background:var(--c); min-width:3px; }
.of, .soft { color:var(--soft); }
.hidden { position:absolute; width:1px; height:1px; overflow:hidden; clip-path:inset(50%); }
.facts { display:grid; grid-template-columns:max-content 1fr; gap:.2rem 1rem; margin:0; }
.facts dt { color:var(--soft); } .facts dd { margin:0; overflow-wrap:anywhere; }
.error { border-left:4px solid var(--bad); padding-left:.8rem; }
.q-notification__message { white-space:pre-line; overflow-wrap:anywhere; }
pre, .tree, code { font:13px/1.45 ui-monospace,'DejaVu Sans Mono',monospace; }
pre { white-space:pre-wrap; overflow-wrap:anywhere; max-height:28rem; overflow:auto; margin:0; }
/* Turned over, so that it stays at its end while it grows. */
.tail { display:flex; flex-direction:column-reverse; max-height:28rem; overflow:auto; }
.tail pre { max-height:none; overflow:visible; flex:none; width:100%; }
.tree details, .tree div { margin-left:1rem; overflow-wrap:anywhere; } .tree i {
  color:var(--soft); } summary { cursor:pointer; }
form.filter { margin-bottom:.8rem; } form.filter details { margin-top:.5rem; }
form.filter summary { color:var(--soft); width:fit-content; list-style:inside disclosure-closed; }
form.filter [open] summary { list-style-type:disclosure-open; }
.fields { display:flex; flex-wrap:wrap; gap:.5rem; align-items:end; }
form.filter label { display:flex; flex-direction:column; color:var(--soft); font-size:.85rem; }
form.filter input { width:8.5rem; }
form.filter input, form.filter select, button.plain { font:inherit; color:var(--ink);
  background:var(--card); border:1px solid var(--soft); border-radius:8px; padding:.35rem .6rem;
  min-height:2.3rem; max-width:11rem; }
button.plain { cursor:pointer; } button[aria-busy=true] { cursor:progress; opacity:.7; }
button[aria-busy=true]::after { content:''; display:inline-block; width:.8em; height:.8em;
  margin-left:.5em; border:2px solid currentcolor; border-right-color:transparent;
  border-radius:50%; animation:turn 1s linear infinite; }
.q-body--dialog button[aria-busy=true]::after { display:none; } /* It waits for the person. */
@keyframes turn { to { transform:rotate(1turn); } }
.pager { display:flex; gap:1rem; align-items:center; margin-top:.8rem; }
.buttons { display:flex; flex-wrap:wrap; gap:.4rem; margin:.4rem 0 .8rem; }
svg { display:block; max-width:100%; height:auto; } svg text { fill:var(--ink); }
.wide { overflow:auto; max-height:36rem; } .wide svg { max-width:none; }
.node rect { fill:color-mix(in srgb, var(--c) var(--wash), var(--card)); stroke:var(--c); }
.edge { fill:none; stroke:var(--soft); } .edge.made { stroke-dasharray:4 3; }
.kind-waiting { fill:var(--idle); opacity:.35; } .kind-transfer { fill:var(--moving); }
.kind-queue { fill:var(--held); } .kind-run { fill:var(--good); }
@media (max-width:600px) { .top { padding:.4rem .6rem; gap:.2rem .6rem; }
  .top nav { order:3; width:100%; } .top nav a { padding:.3rem .45rem; } .q-table td {
  white-space:nowrap !important; }
  .page { padding:.6rem; } .facts { grid-template-columns:1fr; gap:0; }
  .facts dd { margin-bottom:.4rem; } form.filter label, form.filter input, form.filter select {
  width:100%; max-width:none; } form.filter label { flex:1 1 45%; }
  .tiles a { flex-basis:5.5rem; } }
@media (prefers-reduced-motion: reduce) { *, ::after {
  transition:none !important; animation:none !important; } }
"""
