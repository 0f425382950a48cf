// Times and counts as people read them.

const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

/** A length of time in its two greatest units: `2d 4h`, `3m 20s`, `7s`. */
export function span(ms) {
  let seconds = Math.max(0, Math.floor(ms / 1000));
  const first = UNITS.findIndex(([, length]) => seconds >= length);
  if (first < 0) return "0s";
  const parts = [];
  for (const [unit, length] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(seconds / length);
    seconds -= count * length;
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.join(" ");
}

/** An age: tenths below ten seconds, as an answer ought to be that fresh. */
export function age(ms) {
  if (ms === null) return "–";
  return ms < 10000 ? `${(Math.floor(ms / 100) / 10).toFixed(1)}s` : span(ms);
}

export const count = (number) => number.toLocaleString("en");

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

const two = (number) => String(number).padStart(2, "0");

/** The time of a day, by the clock of whoever looks; with the day where it is another. */
export function clock(ms, now = Date.now()) {
  const at = new Date(ms);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  if (at.toDateString() === new Date(now).toDateString()) return time;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

export function ms(number) {
  return number >= 100 ? `${Math.round(number)} ms` : `${number.toFixed(1)} ms`;
}
