// What was found, drawn over the image; nothing here asks the server.

const TALLEST = 0.72; // of the window
const LARGEST_FACTOR = 6; // by which a small image is enlarged
const BACKGROUND = "background"; // has no colour, as in the pictures of `backbones predict`

// Draw an item of the page into the canvas, as large as there is room.
export function draw(canvas, room, item, model, setting, marked) {
  const scale = Math.min(
    room / item.width, (TALLEST * innerHeight) / item.height, LARGEST_FACTOR,
  );
  const ratio = devicePixelRatio || 1;
  canvas.style.width = `${Math.round(item.width * scale)}px`;
  canvas.width = Math.max(1, Math.round(item.width * scale * ratio));
  canvas.height = Math.max(1, Math.round(item.height * scale * ratio));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(item.image, 0, 0, canvas.width, canvas.height);
  if (item.boxes) drawBoxes(pen, item, model, setting, marked, scale * ratio, ratio);
  if (item.labels) drawLabels(pen, item, model, setting, marked);
}

function drawBoxes(pen, item, model, score, marked, scale, ratio) {
  const shown = item.boxes.filter((found) => found.score >= score);
  for (const found of [...shown].reverse()) { // the best lie on top
    const { color } = model.classes[found.label];
    const [x1, y1, x2, y2] = found.box.map((value) => value * scale);
    pen.lineWidth = (found === marked ? 5 : 2.5) * ratio;
    pen.strokeStyle = "rgba(0, 0, 0, .45)";
    pen.strokeRect(x1 - ratio, y1 - ratio, x2 - x1 + 2 * ratio, y2 - y1 + 2 * ratio);
    pen.strokeStyle = color;
    pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
  }
  const taken = [];
  for (const found of shown) {
    const text = `${model.classes[found.label].name} ${found.score.toFixed(2)}`;
    drawTag(pen, found.box.map((value) => value * scale), text,
      model.classes[found.label].color, ratio, taken);
  }
}

// A name above its box, or below its upper edge; left out where it would hide another one.
function drawTag(pen, [left, top], text, color, ratio, taken) {
  pen.font = `600 ${12 * ratio}px system-ui, sans-serif`;
  const width = pen.measureText(text).width + 8 * ratio;
  const height = 17 * ratio;
  const x = Math.max(0, Math.min(left, pen.canvas.width - width));
  const y = top >= height ? top - height : Math.max(0, top);
  const hides = taken.some((other) => x < other.x + other.width && other.x < x + width
    && y < other.y + height && other.y < y + height);
  if (hides) return;
  taken.push({ x, y, width });
  pen.fillStyle = color;
  pen.fillRect(x, y, width, height);
  pen.fillStyle = isBright(color) ? "#1f2328" : "#fff";
  pen.textBaseline = "middle";
  pen.fillText(text, x + 4 * ratio, y + height / 2);
}

function isBright(color) {
  const [red, green, blue] = rgb(color);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 150;
}

function rgb(color) {
  return [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
}

function drawLabels(pen, item, model, opacity, marked) {
  const { width, height, values } = item.labels;
  const layer = new OffscreenCanvas(width, height);
  const inner = layer.getContext("2d");
  const pixels = inner.createImageData(width, height);
  const colors = model.classes.map((one) => rgb(one.color));
  for (let place = 0; place < values.length; place++) {
    const label = values[place];
    if (label >= colors.length || model.classes[label].name === BACKGROUND) continue;
    const [red, green, blue] = colors[label];
    const fades = marked && marked.label !== label;
    pixels.data.set([red, green, blue, fades ? 40 : 255], 4 * place);
  }
  inner.putImageData(pixels, 0, 0);
  pen.globalAlpha = opacity;
  pen.imageSmoothingEnabled = false;
  pen.drawImage(layer, 0, 0, pen.canvas.width, pen.canvas.height);
  pen.globalAlpha = 1;
}

// An <img> of an address that holds a picture.
export async function loaded(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}

// The grays of a picture, which are labels.
export async function grays(address) {
  const image = await loaded(address);
  const layer = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const pen = layer.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0);
  const { data, width, height } = pen.getImageData(0, 0, layer.width, layer.height);
  const values = new Uint8Array(width * height);
  for (let place = 0; place < values.length; place++) values[place] = data[4 * place];
  return { width, height, values };
}
