export class TapReader {
  counted: { passed: number; failed: number; skipped: number };
  failures: string[];
  line(line: string): void;
}
