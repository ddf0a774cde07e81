/** Reads what tap prints, line by line: adds up the totals of its runs and notes which assertions failed. */
export class TapReader {
  counted = { passed: 0, failed: 0, skipped: 0 };
  /** `file > test > assertion`, once each. */
  failures = [];
  /** Of the test whose lines are read now, outermost first. */
  #tests = [];

  line(line) {
    const totals = /^# \{ total: \d+,?(.*)\}/.exec(line);
    if (totals) return this.#add(totals[1]);
    const begun = /^( *)# Subtest: (.*)$/.exec(line);
    if (begun) return this.#begin(begun[1].length / 4, begun[2]);
    const result = /^( *)(not )?ok \d+(?: - (.*))?$/.exec(line);
    if (result && result[1].length % 4 === 0) this.#end(result[1].length / 4, Boolean(result[2]), result[3] ?? '');
  }

  #add(text) {
    const read = (name) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(text)?.[1] ?? 0);
    this.counted.passed += read('pass');
    this.counted.failed += read('fail');
    this.counted.skipped += read('skip') + read('todo');
  }

  #begin(depth, name) {
    this.#tests.length = Math.min(this.#tests.length, depth);
    this.#tests.push({ name, failuresBefore: this.failures.length });
  }

  #end(depth, failed, text) {
    const name = text.replace(/ # (time|SKIP|TODO).*$/, '');
    const own = this.#tests[depth];
    this.#tests.length = Math.min(this.#tests.length, depth);
    // A test that failed is told by its assertions, unless it ended for another reason, such as a time limit.
    if (!failed || / # TODO/.test(text) || (own?.name === name && this.failures.length > own.failuresBefore)) return;
    this.failures.push([...this.#tests.map((test) => test.name), name].join(' > '));
  }
}
