"use strict";
// Draws the figures when they come into view, in the page's colours, and drives the table of all networks.
// Text from data is inserted as text, never as HTML.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    if (text !== undefined && text !== null) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const figures = read("figures");
  const table = read("candidates-data");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("(max-width: 560px)");
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");

  // Figures.

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const themed = (layout, height) => {
    const ink = color("--ink"), edge = color("--edge");
    const whole = { ...layout, height, autosize: true, hovermode: "closest", dragmode: false,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 12 },
      margin: { l: 8, r: 12, t: 28, b: 8, ...(layout.margin || {}) },
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", ...(layout.legend || {}) },
      hoverlabel: { bgcolor: color("--ground"), font: { color: ink } } };
    for (const axis of ["xaxis", "yaxis"]) {
      const lines = { gridcolor: edge, zerolinecolor: edge, linecolor: edge };
      whole[axis] = { automargin: true, ...lines, ...(layout[axis] || {}) };
    }
    return whole;
  };
  const copied = (value) => JSON.parse(JSON.stringify(value));
  const config = { responsive: true, displaylogo: false, displayModeBar: "hover",
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };
  const draw = (place) => {
    const figure = figures[place.dataset.figure];
    if (!figure) return;
    const whole = copied(figure);
    if (narrow.matches) for (const trace of whole.data) if (trace.colorbar) trace.colorbar.thickness = 10;
    return Plotly.react(place, whole.data, themed(whole.layout, parseInt(place.style.height, 10)), config).then(() => {
      if (place.dataset.drawn) return;
      place.dataset.drawn = "yes";
      place.on("plotly_click", (event) => {
        const position = event.points[0].customdata;
        if (Number.isInteger(position) && place.dataset.figure !== "confusion") open(position);
      });
    });
  };
  const unpack = async (id) => {
    const text = atob(document.getElementById(id).textContent.trim()), packed = new Uint8Array(text.length);
    for (let k = 0; k < text.length; k++) packed[k] = text.charCodeAt(k);  // a callback per character is ten times slower
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  const places = [...document.querySelectorAll(".plot[data-figure]")];
  // One at a time, with a frame in between, so that the first one is visible and the page scrolls meanwhile.
  const wanted = [];
  let drawing = false;
  const drawWanted = async () => {
    if (drawing) return;
    drawing = true;
    while (wanted.length) {
      try { await draw(wanted.shift()); } catch (error) { console.error(error); }
      await new Promise((go) => requestAnimationFrame(() => setTimeout(go)));
    }
    drawing = false;
  };
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); wanted.push(entry.target); }
    drawWanted();
  }, { rootMargin: "200px" });
  const start = async () => {
    try {
      const script = make("script", await unpack("plotly-data"));
      document.head.append(script);
    } catch (error) {
      places.forEach((place) => place.append(make("p", "Figures need a browser that supports DecompressionStream.")));
      return;
    }
    places.forEach((place) => seen.observe(place));
    dark.addEventListener("change", () => places.filter((place) => place.dataset.drawn).forEach(draw));
    window.addEventListener("beforeprint", () => places.forEach(draw));
  };
  requestAnimationFrame(() => setTimeout(start));

  // Details of a network.

  const dialog = document.getElementById("detail");
  let details = null;
  const at = (column, position) =>
    column.values ? column.values[position] : column.words ? column.words[position] : column.distinct[column.indices[position]];
  const value = (column, position) => Array.isArray(column) ? column[position] : at(column, position);
  const shown = (number) => number === null || number === undefined ? "" : typeof number === "number" ?
    (Number.isInteger(number) ? number.toLocaleString("en") : Math.abs(number) >= 1000 ?
      number.toLocaleString("en", { maximumSignificantDigits: 5 }) : String(Number(number.toPrecision(5)))) : number;
  const pairs = (rows) => {
    const grid = make("table"), body = make("tbody");
    for (const [name, cell] of rows) {
      if (cell === "" || cell === null || cell === undefined) continue;
      const row = make("tr");
      row.append(make("th", name, { scope: "row" }));
      const box = make("td");
      if (cell instanceof Node) box.append(cell); else box.textContent = shown(cell);
      row.append(box);
      body.append(row);
    }
    grid.append(body);
    return grid;
  };
  const links = (positions) => {
    const box = make("span");
    positions.slice(0, 20).forEach((position, number) => {
      if (number) box.append(", ");
      const button = make("button", String(position + 1), { type: "button", class: "open" });
      button.addEventListener("click", () => open(position));
      box.append(button);
    });
    if (positions.length > 20) box.append(` and ${positions.length - 20} more`);
    return positions.length ? box : "";
  };
  const open = async (position) => {
    const top = make("header");
    top.append(make("h2", `Network ${position + 1}`, { id: "detail-title" }));
    const close = make("button", "Close", { type: "button", class: "close" });
    close.addEventListener("click", () => dialog.close());
    top.append(close);
    dialog.replaceChildren(top, pairs(table.columns.map((column) => [column.name, at(column, position)])));
    if (!dialog.open) dialog.showModal();
    let more;
    try { more = details = details || JSON.parse(await unpack("details-data")); } catch (error) {
      dialog.append(make("p", "Genes and curves cannot be shown: this browser does not support DecompressionStream."));
      return;
    }
    const [epochs, validation, training] = more.curves[position];
    if (epochs.length && window.Plotly) {
      const plot = make("div", "", { class: "plot", role: "img", "aria-label": "Loss by epoch" });
      dialog.append(make("h3", "Loss by epoch"), plot);
      const line = (y, name, tint) => ({ x: epochs.map((k) => k + 1), y, name, mode: "lines", line: { color: tint } });
      const layout = { xaxis: { title: { text: "epoch" } }, yaxis: { title: { text: "loss" } } };
      Plotly.newPlot(plot, [line(validation, "validation", "#0072B2"), line(training, "training", "#E69F00")],
        themed(layout, 260), config);
    }
    dialog.append(make("h3", "Genes"));
    dialog.append(pairs(Object.entries(more.genes).map(([name, column]) => [name, value(column, position)])));
    dialog.append(make("h3", "Where it came from"), pairs([
      ["parents", links(more.parents[position])], ["children", links(more.children[position] || [])],
      ["starts from", at(more.origin, position)], ["seed", more.seed[position]],
      ["best epoch", more.best_epoch[position]], ["reason", at(more.reason, position)]]));
  };

  // The table of all networks.

  const grid = document.getElementById("table");
  if (!grid) return;
  const rows = table.columns.length ? table.columns[0].values.length : 0;
  const size = 50;
  const byName = Object.fromEntries(table.columns.map((column) => [column.name, column]));
  let order = [...Array(rows).keys()], page = 0;
  let sorted = { name: table.objective, up: table.direction === "min" };
  const filter = document.getElementById("filter");
  const matches = (term) => {
    const found = /^(\w+)(<=|>=|=|<|>)(.+)$/.exec(term);
    const column = found && byName[found[1]];
    if (column) {
      const wanted = Number(found[3]), compare = found[2];
      return (position) => {
        const there = at(column, position);
        if (there === null) return false;
        if (compare === "=") return String(there) === found[3] || there === wanted;
        return compare === "<" ? there < wanted : compare === ">" ? there > wanted :
          compare === "<=" ? there <= wanted : there >= wanted;
      };
    }
    const word = term.toLowerCase(), texts = table.columns.filter((each) => !each.values);
    return (position) => texts.some((each) => String(at(each, position)).toLowerCase().includes(word));
  };
  const compared = (column, up) => (a, b) => {
    const x = at(column, a), y = at(column, b);
    if (x === y) return a - b;
    if (x === null) return 1;
    if (y === null) return -1;
    return (x < y ? -1 : 1) * (up ? 1 : -1);
  };
  const choose = () => {
    const tests = filter.value.trim().split(/\s+/).filter(Boolean).map(matches);
    order = [...Array(rows).keys()].filter((position) => tests.every((test) => test(position)));
    order.sort(compared(byName[sorted.name] || table.columns[0], sorted.up));
    page = 0;
    show();
  };
  const heads = {};
  const head = make("thead"), headRow = make("tr"), body = make("tbody");
  for (const column of table.columns) {
    const cell = make("th", null, { scope: "col" }), button = make("button", column.name, { type: "button" });
    button.addEventListener("click", () => {
      sorted = { name: column.name, up: sorted.name === column.name ? !sorted.up : true };
      choose();
    });
    cell.append(button);
    heads[column.name] = cell;
    headRow.append(cell);
  }
  head.append(headRow);
  grid.append(head, body);
  const show = () => {
    for (const [name, cell] of Object.entries(heads)) {
      const mark = name === sorted.name ? (sorted.up ? " ▲" : " ▼") : "";
      cell.firstChild.textContent = name + mark;
      cell.setAttribute("aria-sort", mark ? (sorted.up ? "ascending" : "descending") : "none");
    }
    body.replaceChildren(...order.slice(page * size, (page + 1) * size).map((position) => {
      const row = make("tr");
      if (position === table.champion) { row.className = "champion"; row.title = "the best network"; }
      for (const column of table.columns) {
        const cell = make("td", null, column.values ? {} : { class: "words" });
        if (column.name === "network") {
          const button = make("button", String(position + 1), { type: "button", class: "open" });
          button.addEventListener("click", () => open(position));
          cell.append(button);
        } else cell.textContent = shown(at(column, position));
        row.append(cell);
      }
      return row;
    }));
    const pages = Math.max(1, Math.ceil(order.length / size));
    document.getElementById("count").textContent = `${order.length.toLocaleString("en")} of ${rows.toLocaleString("en")} networks`;
    document.getElementById("page").textContent = `Page ${page + 1} of ${pages}`;
    document.getElementById("previous").disabled = page === 0;
    document.getElementById("next").disabled = page + 1 >= pages;
  };
  const turn = (by) => { page += by; show(); grid.scrollIntoView({ block: "start", behavior: still.matches ? "auto" : "smooth" }); };
  document.getElementById("previous").addEventListener("click", () => turn(-1));
  document.getElementById("next").addEventListener("click", () => turn(1));
  let waiting = 0;
  filter.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(choose, 120); });
  choose();
})();
