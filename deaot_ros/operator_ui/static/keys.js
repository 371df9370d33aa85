// Keys: `actions` by name of the key; where several have one, the first that is possible.

export function listenToKeys(actions) {
  window.addEventListener("keydown", (event) => {
    if (event.target.tagName === "INPUT" && event.target.type === "text") return;
    const undoing = (event.ctrlKey || event.metaKey) && "zy".includes(event.key.toLowerCase());
    if ((event.ctrlKey || event.metaKey || event.altKey) && !undoing) return;
    let key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (undoing && key === "z" && event.shiftKey) key = "y";
    const act = actions[key];
    if (!act) return;
    event.preventDefault();
    if (!event.repeat || key === "[" || key === "]") act();
  });
}
