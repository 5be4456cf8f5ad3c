/** From here on a partial sum might not be a double any more. */
const ADDEND_MAX = 2 ** 1000;

/**
 * A sum of doubles that is rounded once, at its end: so it does not depend on the order in which they come, which two
 * engines need not have in common. Shewchuk's expansions, as in Python's `fsum`. Addends of 2^1000 and more, which may
 * leave the doubles, are left out.
 *
 * @see https://people.eecs.berkeley.edu/~jrs/papers/robustr.pdf
 */
export class ExactSum {
  /** No two overlap; they grow. Their sum is exact. */
  #partials: number[] = [];

  add(addend: number): void {
    if (!(Math.abs(addend) < ADDEND_MAX)) return;
    let x = addend;
    const partials: number[] = [];
    for (const partial of this.#partials) {
      const [larger, smaller] = Math.abs(x) < Math.abs(partial) ? [partial, x] : [x, partial];
      const high = larger + smaller;
      const low = smaller - (high - larger);
      if (low !== 0) partials.push(low);
      x = high;
    }
    partials.push(x);
    this.#partials = partials;
  }

  get value(): number {
    const partials = [...this.#partials];
    let high = partials.pop() ?? 0;
    let low = 0;
    for (let next = partials.pop(); next !== undefined; next = partials.pop()) {
      const before = high;
      high = before + next;
      low = next - (high - before);
      if (low !== 0) break;
    }
    // Half-way between two doubles, what lies below decides.
    const below = partials.at(-1) ?? 0;
    if ((low < 0 && below < 0) || (low > 0 && below > 0)) {
      const doubled = low * 2;
      const rounded = high + doubled;
      if (doubled === rounded - high) high = rounded;
    }
    return high;
  }
}
