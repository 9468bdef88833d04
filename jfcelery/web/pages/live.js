// Shows HTML that changes by itself. Only what differs is changed: the focus of the keyboard, the
// place to which a table or a graph was scrolled, and marked text stay as they are.
export default {
  template: "<div></div>",
  props: { innerHTML: String },
  mounted() {
    this.$el.innerHTML = this.innerHTML;
  },
  watch: {
    innerHTML(content) {
      const wanted = document.createElement("div");
      wanted.innerHTML = content;
      const focused = document.activeElement;
      become(this.$el, wanted);
      // An element that was moved to another place has lost the focus.
      if (focused !== document.activeElement && this.$el.contains(focused))
        focused.focus({ preventScroll: true });
    },
  },
};

// Gives an element the children of another.
function become(element, wanted) {
  const known = new Map();
  for (const child of element.children)
    if (child.dataset.key) known.set(child.dataset.key, child);
  let place = element.firstChild;
  for (const next of [...wanted.childNodes]) {
    const key = next.dataset?.key;
    const same = key ? known.get(key) : alike(place, next) ? place : null;
    if (!same) {
      element.insertBefore(next, place);
      continue;
    }
    known.delete(key);
    if (same === place) place = place.nextSibling;
    else element.insertBefore(same, place);
    update(same, next);
  }
  while (place) {
    const rest = place.nextSibling;
    place.remove();
    place = rest;
  }
}

function alike(one, other) {
  return one && one.nodeName === other.nodeName && !one.dataset?.key && !other.dataset?.key;
}

function update(node, wanted) {
  if (node.nodeType !== Node.ELEMENT_NODE) {
    if (node.data !== wanted.data) node.data = wanted.data;
    return;
  }
  for (const { name } of [...node.attributes])
    // What a person opened or closed stays so.
    if (name !== "open" && !wanted.hasAttribute(name)) node.removeAttribute(name);
  for (const { name, value } of wanted.attributes)
    if (name !== "open" && node.getAttribute(name) !== value) node.setAttribute(name, value);
  become(node, wanted);
}
