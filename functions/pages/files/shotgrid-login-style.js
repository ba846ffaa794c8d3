/** The style sheet of `<shotgrid-login>`. A page can change what starts with `--shotgrid-login-`. */

/** @type {string} */
export const STYLE = `
:host {
  --_accent: var(--shotgrid-login-accent, light-dark(#0b63ce, #6cb2ff));
  --_on-accent: var(--shotgrid-login-on-accent, light-dark(#ffffff, #06182b));
  --_background: var(--shotgrid-login-background, light-dark(#ffffff, #1c2128));
  --_text: var(--shotgrid-login-text, light-dark(#1d2129, #eef1f5));
  --_muted: var(--shotgrid-login-muted, light-dark(#57606e, #a5afbd));
  --_border: var(--shotgrid-login-border, light-dark(#858e9c, #737f8e));
  --_error: var(--shotgrid-login-error, light-dark(#b42318, #ff9c91));
  --_radius: var(--shotgrid-login-radius, 8px);
  color-scheme: light dark;
  display: block;
  font: var(--shotgrid-login-font, 1rem/1.5 system-ui, sans-serif);
}
@supports not (color: light-dark(red, red)) {
  :host {
    --_accent: var(--shotgrid-login-accent, #0b63ce);
    --_on-accent: var(--shotgrid-login-on-accent, #ffffff);
    --_background: var(--shotgrid-login-background, #ffffff);
    --_text: var(--shotgrid-login-text, #1d2129);
    --_muted: var(--shotgrid-login-muted, #57606e);
    --_border: var(--shotgrid-login-border, #858e9c);
    --_error: var(--shotgrid-login-error, #b42318);
    color-scheme: light;
  }
}
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; margin: 0; }
.card {
  background: var(--_background);
  border-radius: calc(var(--_radius) * 1.5);
  color: var(--_text);
  display: grid;
  gap: 1rem;
  margin-inline: auto;
  max-width: 24rem;
  padding: 1.75rem;
}
:host(:not([state="signed-in"])) .card {
  border: 1px solid color-mix(in srgb, var(--_border) 45%, transparent);
  box-shadow: 0 8px 30px rgb(0 0 0 / 0.08);
}
form, .step { display: grid; gap: 1rem; }
.code { gap: 0.25rem; }
.field { display: grid; gap: 0.375rem; }
h2 { font-size: 1.25rem; font-weight: 650; line-height: 1.3; }
label { font-size: 0.875rem; font-weight: 550; }
input, button, .button { border-radius: var(--_radius); color: inherit; font: inherit; min-height: 2.75rem; width: 100%; }
input { background: transparent; border: 1px solid var(--_border); padding: 0.5rem 0.75rem; }
input[aria-invalid="true"] { border-color: var(--_error); }
input[name="code"] { font-variant-numeric: tabular-nums; letter-spacing: 0.1em; }
input:read-only { opacity: 0.6; }
button, .button { cursor: pointer; overflow-wrap: anywhere; padding: 0.5rem 1rem; }
.button { border: 1px solid var(--_border); display: block; font-weight: 600; text-align: center; text-decoration: none; }
:is(input, button, a):focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; }
[tabindex="-1"] { outline: none; }
.primary { background: var(--_accent); border: 1px solid transparent; color: var(--_on-accent); font-weight: 600; }
.primary[aria-disabled="true"] { cursor: default; opacity: 0.65; }
.plain { background: none; border: 0; color: var(--_accent); min-height: 2rem; padding: 0.125rem; text-decoration: underline; text-underline-offset: 0.2em; width: auto; }
.options { align-items: baseline; display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; justify-content: space-between; }
.hint, .countdown { color: var(--_muted); font-size: 0.875rem; }
.countdown { font-variant-numeric: tabular-nums; }
.countdown.busy::before { vertical-align: -0.12em; }
.problem { color: var(--_error); font-size: 0.9375rem; }
.status { color: var(--_muted); font-size: 0.9375rem; }
:is(.problem, .status):empty { position: absolute; }
:host([state="restoring"]) .card { animation: appear 0s 0.4s backwards; }
.busy::before {
  animation: turn 0.8s linear infinite;
  border: 2px solid currentcolor;
  border-block-start-color: transparent;
  border-radius: 50%;
  content: "";
  display: inline-block;
  height: 0.875em;
  margin-inline-end: 0.6em;
  vertical-align: -0.06em;
  width: 0.875em;
}
:host([state="signed-in"]) .status { order: 1; }
.user { align-items: center; display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; }
.user button { border: 1px solid var(--_border); background: none; min-height: 2.25rem; padding-block: 0.25rem; width: auto; }
:host([state="signed-in"]) .card { background: none; gap: 0.25rem; max-width: none; padding: 0; }
.visually-hidden { block-size: 1px; clip-path: inset(50%); inline-size: 1px; overflow: hidden; position: absolute; white-space: nowrap; }
@keyframes appear { from { visibility: hidden; } }
@keyframes turn { to { transform: rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { .busy::before { animation-duration: 4s; } }
`;
