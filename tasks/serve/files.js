// Files that are dropped, chosen or pasted, as a list of {name, blob, clip}.
// A video becomes pictures here, in the browser, so that the server reads images only.

const MOST_FRAMES = 60;
const FRAMES_A_SECOND = 4;
const WAIT = 10000; // milliseconds for a frame

// All files below what was dropped, folders too.
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return listedFiles(transfer.files);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

// Files of an <input>, by their names below the folder that was chosen.
export function listedFiles(files) {
  return [...files].map((file) => ({ name: file.webkitRelativePath || file.name, blob: file }));
}

async function walk(entry, found) {
  const name = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    const blob = await new Promise((done, fail) => entry.file(done, fail));
    found.push({ name, blob });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const below = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (below.length === 0) return; // they come in portions
    for (const one of below) await walk(one, found);
  }
}

export function isVideo(file) {
  return file.blob.type.startsWith("video/") || /\.(mp4|m4v|mov|webm|mkv|avi)$/i.test(file.name);
}

// Whether a file of a folder is worth sending: others, such as texts, are left out unsaid.
export function mayBeImage(file) {
  return file.blob.type.startsWith("image/") || /\.(tiff?|ppm|pgm|bmp|jpe)$/i.test(file.name);
}

// Pictures of a video, evenly spread where it is a long one.
export async function* videoFrames(file) {
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "auto";
  const address = URL.createObjectURL(file.blob);
  try {
    await once(video, "loadeddata", () => { video.src = address; });
    const length = Number.isFinite(video.duration) ? video.duration : 0;
    const count = Math.max(1, Math.min(MOST_FRAMES, Math.floor(length * FRAMES_A_SECOND)));
    for (let number = 0; number < count; number++) {
      const seconds = (length * number) / count;
      if (video.currentTime !== seconds) {
        await once(video, "seeked", () => { video.currentTime = seconds; });
      }
      const blob = await picture(video);
      yield { name: `${file.name} ${clock(seconds)}`, blob, clip: file.name };
    }
  } finally {
    URL.revokeObjectURL(address);
  }
}

function once(video, event, start) {
  return new Promise((done, fail) => {
    const timer = setTimeout(fail, WAIT);
    const finish = (end) => () => { clearTimeout(timer); end(); };
    video.addEventListener(event, finish(done), { once: true });
    video.addEventListener("error", finish(fail), { once: true });
    start();
  });
}

function picture(video) {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function clock(seconds) {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - 60 * minutes).toFixed(2).padStart(5, "0")}`;
}
