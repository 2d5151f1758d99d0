"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const byId = (id) => document.getElementById(id);
  const make = (name, attributes, parent) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (parent) parent.append(node);
    return node;
  };
  const scenes = data.scenes.map((row, index) => {
    const scene = Object.fromEntries(data.columns.map((name, at) => [name, row[at]]));
    return { ...scene, index, day: Date.parse(scene.date), picked: false, shown: true };
  });

  // -- colours: by cloud cover, or by what is here ------------------------------------------------------------------
  const CLOUD = [[0, "#1864ab"], [10, "#228be6"], [30, "#74c0fc"], [60, "#ced4da"], [101, "#868e96"]];
  const UNKNOWN = "#f59f00";
  const STATES = { here: "#2b8a3e", "partly here": "#fab005", "not here": "#1c7ed6", failed: "#e03131" };
  const known = new Set(scenes.map((scene) => scene.state).filter(Boolean));
  let by = known.size > 1 || data.kind === "report" ? "state" : "cloud";
  const cloudColour = (cloud) => cloud === null ? UNKNOWN : CLOUD.find(([limit]) => cloud <= limit)[1];
  const colour = (scene) => by === "cloud" ? cloudColour(scene.cloud) : STATES[scene.state] || UNKNOWN;

  // -- map ----------------------------------------------------------------------------------------------------------
  const map = byId("map");
  const world = make("g", {}, map);
  const unwrapped = (ring) => {
    const lons = ring.map(([lon]) => lon);
    if (Math.max(...lons) - Math.min(...lons) <= 180) return ring;
    return ring.map(([lon, lat]) => [lon < 0 ? lon + 360 : lon, lat]);
  };
  const pathOf = (rings) => rings.map(unwrapped)
    .map((ring) => "M" + ring.map(([lon, lat]) => `${lon.toFixed(3)} ${(-lat).toFixed(3)}`).join("L") + "Z").join("");
  const line = (text) => {
    const points = [];
    let at = 0, x = 0, y = 0;
    const number = () => {
      let value = 0, shift = 0, byte;
      do { byte = text.charCodeAt(at++) - 63; value |= (byte & 31) << shift; shift += 5; } while (byte >= 32);
      return value & 1 ? ~(value >> 1) : value >> 1;
    };
    while (at < text.length) { x += number(); y += number(); points.push(`${x / 20} ${-y / 20}`); }
    return "M" + points.join("L");
  };
  const coast = data.coast.map(line).join("");
  for (const shift of [-360, 0, 360]) make("path", { class: "coast", d: coast, transform: `translate(${shift})` }, world);
  for (let lon = -180; lon <= 540; lon += 10) make("line", { class: "grid", x1: lon, x2: lon, y1: -90, y2: 90 }, world);
  for (let lat = -90; lat <= 90; lat += 10) make("line", { class: "grid", x1: -540, x2: 540, y1: lat, y2: lat }, world);
  for (const scene of scenes) {
    if (!scene.rings.length) continue;
    scene.shape = make("path", { class: "scene", d: pathOf(scene.rings) }, world);
    scene.shape.dataset.index = scene.index;
  }
  for (const rings of data.area) make("path", { class: "area", d: pathOf(rings) }, world);

  const view = { x: -180, y: -90, width: 360, height: 180 };
  const show = () => map.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  const fit = () => {
    const rings = [...scenes.flatMap((scene) => scene.rings), ...data.area.flat()].map(unwrapped).flat();
    let [west, south, east, north] = [-180, -90, 180, 90];
    if (rings.length) {
      const [lons, lats] = [rings.map(([lon]) => lon), rings.map(([, lat]) => lat)];
      west = Math.min(...lons); east = Math.max(...lons); south = Math.min(...lats); north = Math.max(...lats);
    }
    const margin = 0.15 * Math.max(east - west, north - south, 0.2);
    view.width = Math.max(east - west + 2 * margin, 1.5 * (north - south + 2 * margin));
    view.height = view.width / 1.5;
    view.x = (west + east - view.width) / 2;
    view.y = -(north + south) / 2 - view.height / 2;
    show();
  };
  const zoom = (factor, px = 0.5, py = 0.5) => {
    const width = Math.min(720, Math.max(0.02, view.width * factor)), height = width / 1.5;
    view.x += (view.width - width) * px;
    view.y += (view.height - height) * py;
    view.width = width; view.height = height;
    show();
  };
  map.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = map.getBoundingClientRect();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }, { passive: false });
  let drag = null;
  map.addEventListener("pointerdown", (event) => { drag = { x: event.clientX, y: event.clientY, moved: false }; });
  map.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const box = map.getBoundingClientRect(), [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    if (!drag.moved && Math.hypot(dx, dy) < 4) return;
    drag.moved = true; map.classList.add("moving");
    view.x -= dx / box.width * view.width; view.y -= dy / box.height * view.height;
    drag.x = event.clientX; drag.y = event.clientY;
    show();
  });
  addEventListener("pointerup", () => { setTimeout(() => { drag = null; map.classList.remove("moving"); }); });
  map.addEventListener("click", (event) => {
    const index = event.target.dataset.index;
    if (index !== undefined && !(drag && drag.moved)) pick([scenes[index]]);
  });
  byId("closer").onclick = () => zoom(0.6);
  byId("farther").onclick = () => zoom(1.6);
  byId("fit").onclick = fit;

  // -- timeline: when, and how cloudy -------------------------------------------------------------------------------
  const time = byId("time"), HEIGHT = 120, TOP = 10, BOTTOM = 96, SIDE = 14;
  const days = scenes.map((scene) => scene.day).filter((day) => !Number.isNaN(day));
  const first = Math.min(...days), last = Math.max(...days), span = Math.max(last - first, 86400000);
  const dots = make("g", {}, time), labels = make("g", {}, time);
  const brush = make("rect", { id: "brush", y: 0, height: HEIGHT, width: 0 }, time);
  let width = 600;
  const xOf = (day) => SIDE + (day - first) / span * (width - 2 * SIDE);
  for (const scene of scenes) {
    if (Number.isNaN(scene.day)) continue;
    scene.dot = make("circle", { r: 4 }, dots);
    scene.dot.dataset.index = scene.index;
  }
  const layTime = () => {
    width = Math.max(200, time.clientWidth);
    time.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    for (const scene of scenes) {
      if (!scene.dot) continue;
      scene.dot.setAttribute("cx", xOf(scene.day));
      scene.dot.setAttribute("cy", BOTTOM - (scene.cloud ?? 100) / 100 * (BOTTOM - TOP));
    }
    labels.replaceChildren();
    if (!days.length) return;
    const count = Math.max(2, Math.min(7, Math.floor(width / 110)));
    for (let i = 0; i < count; i++) {
      const day = new Date(first + span * i / (count - 1));
      const anchor = i === 0 ? "start" : i === count - 1 ? "end" : "middle";
      const label = make("text", { x: xOf(+day), y: HEIGHT - 6, "text-anchor": anchor }, labels);
      label.textContent = day.toISOString().slice(0, 10);
    }
  };
  let from = null;
  const timeX = (event) => (event.clientX - time.getBoundingClientRect().left) / time.clientWidth * width;
  time.addEventListener("pointerdown", (event) => { from = timeX(event); });
  time.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const to = timeX(event);
    brush.setAttribute("x", Math.min(from, to)); brush.setAttribute("width", Math.abs(to - from));
  });
  addEventListener("pointerup", (event) => {
    if (from === null) return;
    const to = timeX(event), [low, high] = [Math.min(from, to), Math.max(from, to)];
    from = null; brush.setAttribute("width", 0);
    if (high - low > 4) {
      const inside = scenes.filter((scene) => scene.shown && scene.dot && xOf(scene.day) >= low && xOf(scene.day) <= high);
      for (const scene of scenes) scene.picked = inside.includes(scene);
      refresh();
    }
  });
  time.addEventListener("click", (event) => {
    const index = event.target.dataset.index;
    if (index !== undefined) pick([scenes[index]]);
  });

  // -- table --------------------------------------------------------------------------------------------------------
  const COLUMNS = [
    ["", "picked", (scene) => scene.picked], ["date", "date", (scene) => scene.date],
    ["sensor", "sensor", (scene) => scene.sensor], ["path/row", "place", (scene) => scene.place],
    ["cloud %", "cloud", (scene) => scene.cloud ?? 101, "number"],
    ["of area %", "coverage", (scene) => scene.coverage ?? -1, "number"],
    ["files", "files", (scene) => scene.files, "number"], ["", "state", (scene) => scene.state],
    ["scene", "id", (scene) => scene.id],
  ].filter(([, key]) => ["picked", "date", "id"].includes(key) || scenes.some((scene) => scene[key] !== null && scene[key] !== ""));
  const head = byId("head"), body = byId("rows");
  const pictures = scenes.some((scene) => scene.picture);
  let sorted = { key: "date", down: true };
  for (const [title, key, , kind] of COLUMNS) {
    const cell = document.createElement("th");
    if (kind) cell.className = kind;
    cell.dataset.key = key;
    if (title) {
      const button = document.createElement("button");
      button.textContent = title;
      button.onclick = () => { sorted = { key, down: sorted.key === key && !sorted.down }; sort(); };
      cell.append(button);
    }
    head.append(cell);
    if (pictures && key === "picked") head.append(document.createElement("th"));
  }
  for (const scene of scenes) {
    const row = scene.row = document.createElement("tr");
    row.dataset.index = scene.index; row.tabIndex = 0;
    for (const [, key, , kind] of COLUMNS) {
      const cell = row.insertCell();
      if (kind) cell.className = kind;
      if (key === "picked") {
        scene.tick = document.createElement("input");
        scene.tick.type = "checkbox"; scene.tick.tabIndex = -1; scene.tick.setAttribute("aria-label", `select ${scene.id}`);
        cell.append(scene.tick);
        if (pictures) {
          const beside = row.insertCell();
          if (scene.picture) beside.append(picture(scene));
        }
      } else cell.textContent = scene[key] ?? (key === "cloud" ? "unknown" : "");
    }
  }
  function picture(scene) {
    const image = document.createElement("img");
    image.src = scene.picture; image.alt = `picture of ${scene.id}`; image.loading = "lazy"; image.decoding = "async";
    return image;
  }
  const sort = () => {
    const [, , value] = COLUMNS.find(([, key]) => key === sorted.key);
    const order = [...scenes].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      return (x < y ? -1 : x > y ? 1 : a.index - b.index) * (sorted.down ? -1 : 1);
    });
    body.replaceChildren(...order.map((scene) => scene.row));
    for (const cell of head.children) {
      if (cell.dataset.key !== sorted.key) cell.removeAttribute("aria-sort");
      else cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
    }
  };
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row) pick([scenes[row.dataset.index]]);
  });
  body.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr");
    if (row && (event.key === " " || event.key === "Enter")) { event.preventDefault(); pick([scenes[row.dataset.index]]); }
  });

  // -- one selection for all ----------------------------------------------------------------------------------------
  const pick = (chosen) => { for (const scene of chosen) scene.picked = !scene.picked; refresh(); };
  const refresh = () => {
    for (const scene of scenes) {
      const paint = colour(scene);
      for (const node of [scene.shape, scene.dot, scene.row]) {
        if (!node) continue;
        node.classList.toggle("picked", scene.picked);
        node.classList.toggle("hidden", !scene.shown);
      }
      if (scene.shape) { scene.shape.setAttribute("fill", paint); scene.shape.setAttribute("stroke", paint); }
      if (scene.dot) scene.dot.setAttribute("fill", paint);
      scene.tick.checked = scene.picked;
    }
    const picked = scenes.filter((scene) => scene.picked), shown = scenes.filter((scene) => scene.shown);
    const hidden = scenes.length - shown.length;
    byId("count").textContent = `${picked.length} of ${scenes.length} selected` + (hidden ? `, ${hidden} hidden` : "");
    byId("ids").value = picked.map((scene) => scene.id).join("\n");
    byId("copy").disabled = !picked.length;
  };
  const filter = () => {
    const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean), most = Number(byId("cloud").value);
    byId("most").textContent = `${most} %`;
    for (const scene of scenes) {
      const text = `${scene.id} ${scene.date} ${scene.sensor} ${scene.place} ${scene.state}`.toLowerCase();
      scene.shown = words.every((word) => text.includes(word)) && (scene.cloud ?? 0) <= most;
    }
    refresh();
  };
  byId("filter").oninput = filter;
  byId("cloud").oninput = filter;
  byId("all").onclick = () => { for (const scene of scenes) scene.picked = scene.shown; refresh(); };
  byId("none").onclick = () => { for (const scene of scenes) scene.picked = false; refresh(); };
  byId("copy").onclick = async () => {
    const ids = byId("ids");
    ids.select();
    try { await navigator.clipboard.writeText(ids.value); } catch { document.execCommand("copy"); }
    byId("copy").textContent = "copied"; setTimeout(() => { byId("copy").textContent = "copy"; }, 1500);
  };

  // -- key, and what is under the pointer ---------------------------------------------------------------------------
  const key = () => {
    const cloud = [["0 to 10 %", "#228be6"], ["to 30 %", "#74c0fc"], ["to 60 %", "#ced4da"], ["more", "#868e96"],
      ["unknown", UNKNOWN]];
    const entries = by === "cloud" ? cloud : Object.entries(STATES).filter(([state]) => known.has(state));
    byId("key").replaceChildren(...entries.map(([text, paint]) => {
      const entry = document.createElement("span"), box = document.createElement("i");
      entry.className = "key"; box.style.setProperty("background", paint);
      entry.append(box, text);
      return entry;
    }));
  };
  const chooser = byId("by");
  if (known.size) { chooser.value = by; chooser.onchange = () => { by = chooser.value; key(); refresh(); }; }
  else chooser.remove();
  const tip = byId("tip");
  addEventListener("pointermove", (event) => {
    const near = event.target.closest ? event.target.closest("[data-index]") : null;
    for (const row of body.querySelectorAll(".near")) row.classList.remove("near");
    tip.hidden = !near || near.tagName === "TR";
    if (!near) return;
    const scene = scenes[near.dataset.index];
    scene.row.classList.add("near");
    if (tip.hidden) return;
    const cloud = scene.cloud === null ? "cloud unknown" : `${scene.cloud} % cloud`;
    tip.replaceChildren(scene.id, document.createElement("br"), [scene.date, cloud, scene.state].filter(Boolean).join(" · "));
    if (scene.picture) tip.append(picture(scene));
    tip.style.setProperty("left", `${Math.min(event.clientX + 14, innerWidth - 330)}px`);
    tip.style.setProperty("top", `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`);
  });

  addEventListener("resize", layTime);
  fit(); layTime(); key(); sort(); refresh();
  document.body.dataset.ready = "yes";
})();
