// What the operator reads: the status line, the log, and the alert that stays until closed.

const MOST_LINES = 40;

const element = (id) => document.getElementById(id);

/** The status line. `link` is {open, health, status, operators, rate}. */
export function showStatus({ open, health, status, operators, rate }) {
  let [state, text] = ["lost", "The connection to the server is lost; connecting again"];
  if (open) {
    [state, text] = ["no tracker", "The tracker node does not answer; is it running?"];
    if (health.alive && status) {
      [state, text] = [status.state, health.trouble || status.message || status.runs];
    }
  }
  element("lamp").dataset.state = state;
  element("state").textContent = state;
  element("said").textContent = text;
  element("said").title = text;
  const figures = [];
  if (open && health.alive && status) {
    figures.push(`node ${status.fps} fps`, `latency ${status.latency_p50} ms`);
  }
  if (open) figures.push(`page ${rate.toFixed(0)} fps`);
  if (operators > 1) figures.push(`${operators} pages open`);
  element("figures").textContent = figures.join(" · ");
}

/** Add a line to the log; `kind` is "", "good" or "bad". */
export function log(text, kind = "") {
  const line = document.createElement("li");
  line.className = kind;
  line.textContent = `${new Date().toLocaleTimeString()} ${text}`;
  const list = element("log");
  list.prepend(line);
  while (list.children.length > MOST_LINES) list.lastChild.remove();
}

/** Show what went wrong until it is closed, with an offer {label, act} to put it right. */
export function alertOperator(text, offer = null) {
  log(text, "bad");
  element("alert-text").textContent = text;
  element("alert-action").hidden = offer === null;
  element("alert-action").textContent = offer?.label ?? "";
  element("alert-action").onclick = () => {
    closeAlert();
    offer.act();
  };
  element("alert").hidden = false;
}

export function closeAlert() {
  element("alert").hidden = true;
}

element("alert-close").addEventListener("click", closeAlert);
