// Files to keep, in the forms of `backbones predict`.

// COCO's lists, the annotations being results records with an id.
export function cocoJson(items, model, score) {
  const images = [];
  const annotations = [];
  for (const item of items) {
    const id = images.length + 1;
    images.push({ id, file_name: item.name, height: item.height, width: item.width });
    for (const found of item.boxes.filter((one) => one.score >= score)) {
      const [x1, y1, x2, y2] = found.box;
      annotations.push({
        id: annotations.length + 1,
        image_id: id,
        category_id: model.classes[found.label].id,
        bbox: [x1, y1, x2 - x1, y2 - y1],
        score: found.score,
      });
    }
  }
  const categories = model.classes.map(({ id, name }) => ({ id, name }));
  return { images, categories, annotations };
}

// The most likely classes of each file.
export function classesJson(items, model, score) {
  return items.map((item) => ({
    file: item.name,
    classes: item.classes
      .filter((found) => found.score >= score)
      .map((found) => ({ name: model.classes[found.label].name, probability: found.score })),
  }));
}

export function saveJson(content, name) {
  const blob = new Blob([JSON.stringify(content, null, 1)], { type: "application/json" });
  const address = URL.createObjectURL(blob);
  saveAddress(address, name);
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

export function saveLabels(item) {
  const stem = item.name.replace(/\.[^./]+$/, "").replace(/[^\p{L}\p{N}._-]+/gu, "_");
  saveAddress(item.indices, `${stem}_labels.png`);
}

function saveAddress(address, name) {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}
