interface Node<T> {
  readonly children: Map<string, Node<T>>;
  /** By key: one key has one value at a filter. */
  readonly values: Map<string, T>;
}

const emptyNode = <T>(): Node<T> => ({ children: new Map(), values: new Map() });

/** Values at topic filters, found by the topics that the filters match (MQTT 5.0 section 4.7). */
export class TopicTree<T> {
  readonly #root = emptyNode<T>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  set(filter: string, key: string, value: T): void {
    let node = this.#root;
    for (const level of filter.split("/")) {
      let child = node.children.get(level);
      if (!child) {
        child = emptyNode();
        node.children.set(level, child);
      }
      node = child;
    }
    if (!node.values.has(key)) this.#size++;
    node.values.set(key, value);
  }

  delete(filter: string, key: string): void {
    const path: [Node<T>, string][] = [];
    let node = this.#root;
    for (const level of filter.split("/")) {
      const child = node.children.get(level);
      if (!child) return;
      path.push([node, level]);
      node = child;
    }
    if (node.values.delete(key)) this.#size--;
    for (let [parent, level] = path.pop() ?? []; parent && level !== undefined; [parent, level] = path.pop() ?? []) {
      if (node.values.size > 0 || node.children.size > 0) return;
      parent.children.delete(level);
      node = parent;
    }
  }

  /** Values of every filter that matches. Below `$` a wildcard of the first level matches nothing (MQTT-4.7.2-1). */
  match(topic: string): T[] {
    const found: T[] = [];
    const levels = topic.split("/");
    const visit = (node: Node<T>, index: number): void => {
      const wild = index > 0 || !topic.startsWith("$");
      if (wild) found.push(...(node.children.get("#")?.values.values() ?? []));
      if (index === levels.length) {
        found.push(...node.values.values());
        return;
      }
      for (const level of wild ? ["+", levels[index] as string] : [levels[index] as string]) {
        const child = node.children.get(level);
        if (child) visit(child, index + 1);
      }
    };
    visit(this.#root, 0);
    return found;
  }
}
