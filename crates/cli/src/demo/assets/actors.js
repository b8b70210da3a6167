/**
 * What is shown of the supervised actors.
 *
 * A restart takes microseconds, so the trees that arrive seldom show an actor crashed. A crash is
 * therefore read from the restart counter (or a new pid) and held on screen long enough to be
 * seen: first as crashed, then as restarted.
 */

/** A crash is shown this long, in ms: what the eye needs, and a little for late timers. */
export const CRASHED_MS = 700;
/** For this long after that the actor is shown as restarted. */
export const RESTARTED_MS = 1_600;
const TICK_MS = 50;

export class Actors {
  #recovering = new Set();
  #timer = null;

  /**
   * `onTree()` runs when a tree has arrived, `onShown(actor)` when what is shown of one actor
   * has changed, `onRestart(actor)` when one has been restarted.
   */
  constructor({ onTree, onShown, onRestart }) {
    this.onTree = onTree;
    this.onShown = onShown;
    this.onRestart = onRestart;
    this.root = null;
    /** Every actor under the root, in the order of the tree, by id. */
    this.byId = new Map();
  }

  /** Takes a tree. Actors keep their identity from tree to tree by their id. */
  update(tree) {
    const first = this.root === null;
    const now = performance.now();
    const before = this.byId;
    this.byId = new Map();
    const restarted = [];
    const visit = (node, parent, depth) => {
      const known = before.get(node.id);
      const actor = known ?? { shown: node.state, crashedAt: -Infinity, workedAt: -Infinity };
      if (known && !first && changedLife(known, node)) restarted.push(actor);
      const worked = known ? node.handled - known.handled : 0;
      if (worked > 0) Object.assign(actor, { worked, workedAt: now });
      const { id, name, pid, state, restarts, handled, kind } = node;
      const { strategy, max_restarts, within_s } = node;
      Object.assign(actor, { id, name, pid, state, restarts, handled, kind, parent, depth,
        strategy, max_restarts, within_s, children: [] });
      this.byId.set(id, actor);
      actor.children = (node.children ?? []).map((child) => visit(child, actor, depth + 1));
      return actor;
    };
    this.root = { ...tree, depth: 0, children: [] };
    this.root.children = (tree.children ?? []).map((child) => visit(child, null, 1));
    for (const actor of restarted) this.#restarted(actor, now);
    this.onTree();
    for (const actor of this.byId.values()) this.#show(actor, now);
  }

  /** All workers, in the order of the tree. */
  workers() {
    return [...this.byId.values()].filter((actor) => actor.kind !== "supervisor");
  }

  #restarted(actor, now) {
    actor.crashedAt = now;
    this.#recovering.add(actor);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
    this.onRestart(actor);
  }

  #tick() {
    const now = performance.now();
    for (const actor of this.#recovering) {
      if (this.#show(actor, now) === actor.state) this.#recovering.delete(actor);
    }
    if (this.#recovering.size === 0) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }

  /** Works out what to show of an actor and tells when that has changed. */
  #show(actor, now) {
    const age = now - actor.crashedAt;
    let shown = actor.state;
    if (age < CRASHED_MS) shown = "crashed";
    else if (age < CRASHED_MS + RESTARTED_MS && shown === "running") shown = "restarted";
    if (shown !== actor.shown) {
      actor.shown = shown;
      this.onShown(actor);
    }
    return shown;
  }
}

function changedLife(known, node) {
  const crashed = node.state === "crashed" && known.state !== "crashed";
  return node.restarts > known.restarts || node.pid !== known.pid || crashed;
}
