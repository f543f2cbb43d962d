// Facts in words.

const SUFFIXES = /\.(wav|flac|ogg|opus|mp3|m4a|aac|mp4|aiff?|caf|mka|mkv|mov|webm|w64|wma)$/i;

export const words = {
  comparable: "Score: the mean over stems. Compare models with the same stems and the same note alone.",
  speeds: "Speed: seconds of a song in one second, once a model has run here; before that on two cores of a server.",

  use({ commercialUse }) {
    return { allowed: "any use", "not allowed": "no commercial use" }[commercialUse] ?? "commercial use not stated";
  },

  place({ here, bytes }) {
    if (here) return "";
    return `downloads ${Math.max(1, Math.round(bytes / 1e6))} MB, once`;
  },

  speed({ speed }) {
    if (!speed) return "–";
    return `${speed < 10 ? speed.toFixed(1) : Math.round(speed)}×`;
  },

  timeLeft(seconds) {
    if (seconds === null) return "";
    if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s left`;
    return `${Math.round(seconds / 60)} min left`;
  },

  percent(fraction) {
    return fraction === null ? "" : `${Math.floor(100 * fraction)} %`;
  },
};

// Whether a file of a folder is a song; of files chosen one by one, all are tried.
export function isSong(name) {
  return SUFFIXES.test(name) && !name.startsWith(".");
}
