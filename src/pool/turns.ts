/**
 * Deficit round robin, in the form that pays afterwards (surplus round robin): a round gives every member QUANTUM; one who
 * has some of it left is served, whatever the next request costs, and what that takes beyond is a debt that later rounds
 * pay. So a cell never waits for a credit to grow, and of two members with work since the same moment none is charged more
 * than one quantum and one request ahead of the other. A step costs the same however many members there are.
 */

/** In the units of cost.ts: four signatures on P-256. A batch has 32 turns. */
export const QUANTUM = 64;

/** What takes turns: a user's flow in a line, or a session's in its user's. */
export abstract class Member {
  /** What is left of this round; a debt where it is negative. */
  balance = QUANTUM;
  /** The round up to which `balance` was given. */
  round = 0;
  /** Neighbours in the ring; itself where it has none. */
  before: this = this;
  after: this = this;
}

export class Turns<M extends Member> {
  /** Whose turn it is, if they have something left. */
  #turn: M | null = null;
  #round = 0;

  /** One who brings something left of this round goes first: others wait for that much, and no longer. */
  add(member: M): void {
    this.#give(member);
    const turn = this.#turn;
    if (turn !== null) {
      member.after = turn;
      member.before = turn.before;
      turn.before.after = member;
      turn.before = member;
    }
    this.#turn = member;
  }

  /** What is left, or owed, is kept: to leave and come again is worth nothing. */
  remove(member: M): void {
    if (member.after === member) this.#turn = null;
    else {
      member.before.after = member.after;
      member.after.before = member.before;
      if (this.#turn === member) this.#turn = member.after;
      member.before = member;
      member.after = member;
    }
  }

  /** Any member; null where there is none. */
  get any(): M | null {
    return this.#turn;
  }

  /** Who is to be served next; null where there is none. */
  next(): M | null {
    const turn = this.#turn;
    if (turn === null || turn.balance > 0) return turn;
    let least = Number.NEGATIVE_INFINITY;
    let member = turn;
    do {
      this.#give(member);
      if (member.balance > 0) {
        this.#turn = member;
        return member;
      }
      least = Math.max(least, member.balance);
      member = member.after;
    } while (member !== turn);
    // All have had this round. Where all are in debt, as many rounds as the least debt takes begin at once.
    this.#round += Math.floor(-least / QUANTUM) + 1;
    // Once around again: somebody has something now.
    for (this.#give(member); member.balance <= 0; this.#give(member)) member = member.after;
    this.#turn = member;
    return member;
  }

  /** A member who was away for long begins with one quantum, not with all that was given meanwhile. */
  #give(member: M): void {
    const rounds = this.#round - member.round;
    if (rounds === 0) return;
    member.balance = Math.min(QUANTUM, member.balance + rounds * QUANTUM);
    member.round = this.#round;
  }
}
