const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** 1_234_567 -> `1.2 MB`: three digits at most, for people. */
export function readableSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 10 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}
