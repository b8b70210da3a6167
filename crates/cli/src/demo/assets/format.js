/** Numbers as people read them: SI units, thin spaces, no more rounding than the space demands. */

/** A no-break space; where digits are set, the style sheet makes it a thin one. */
const THIN = "\u00a0";
/** Stands where a value is not known. */
export const UNKNOWN = "–";

/** A whole number with its digits in groups of three. */
export function count(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, THIN);
}

/** Three significant digits without an exponent: 0.123, 1.23, 12.3, 123. */
function three(value) {
  if (value === 0) return "0";
  const digits = Math.max(0, Math.min(3, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return value.toFixed(digits);
}

/** Scales by the steps of a unit family and gives value and unit apart. */
function scaled(value, steps, exactBelow) {
  if (value < exactBelow) return { value: count(value), unit: steps[0][1] };
  let step = steps[0];
  for (const candidate of steps) if (Math.abs(value) >= candidate[0]) step = candidate;
  return { value: three(value / step[0]), unit: step[1] };
}

const TIME = [[1, "µs"], [1e3, "ms"], [1e6, "s"]];
const BYTES = [[1, "B"], [1e3, "kB"], [1e6, "MB"], [1e9, "GB"]];
const PLAIN = [[1, ""], [1e3, "k"], [1e6, "M"], [1e9, "G"]];

/** Microseconds as `{value, unit}`: 412 µs, 1.24 ms. */
export const microseconds = (value) => scaled(value, TIME, 1e3);

/** Bytes as `{value, unit}`, exact to the byte below 10 kB: 1 834 B, 61.4 MB. */
export const bytes = (value) => scaled(value, BYTES, 1e4);

/** A count as `{value, unit}`. */
export const whole = (value) => ({ value: count(value), unit: "" });

/** Value and unit in one string. */
export function joined({ value, unit }) {
  return unit ? `${value}${THIN}${unit}` : value;
}

/** A short label for a tick of an axis that reaches up to `top`. */
export function tick(value, top, family) {
  const steps = { count: PLAIN, time: TIME, bytes: BYTES }[family];
  let step = steps[0];
  for (const candidate of steps) if (top >= candidate[0]) step = candidate;
  if (value === 0) return "0";
  const text = String(Number((value / step[0]).toPrecision(6)));
  return step[1] ? `${text}${THIN}${step[1]}` : text;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });
const SHORT = new Intl.DateTimeFormat(undefined, { timeStyle: "short", hourCycle: "h23" });

/** Epoch ms as the visitor's time of day, with seconds. */
export const clock = (time) => CLOCK.format(time);

/** Epoch ms as the visitor's time of day, without seconds. */
export const shortClock = (time) => SHORT.format(time);

/** A number of seconds as a duration of two units at most: 42 s, 3 min 12 s, 2 h 5 min. */
export function duration(seconds) {
  const s = Math.floor(seconds);
  const parts = [[Math.floor(s / 86_400), "d"], [Math.floor(s / 3600) % 24, "h"],
    [Math.floor(s / 60) % 60, "min"], [s % 60, "s"]];
  const first = Math.max(0, parts.findIndex(([n]) => n > 0));
  const used = s === 0 ? [parts[3]] : parts.slice(first, first + 2).filter(([n]) => n > 0);
  return used.map(([n, unit]) => `${n}${THIN}${unit}`).join(" ");
}
