// Buttons that copy a program or a command; without JavaScript they stay hidden.
"use strict";

function programOf(button) {
  const id = button.dataset.copy;
  if (id) return document.getElementById(id).textContent;
  const link = document.querySelector(`a[data-program="${button.dataset.from}"]`);
  return decodeURIComponent(link.href.slice(link.href.indexOf(",") + 1));
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // A page opened from a file may not have access to the clipboard.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await copy(programOf(button));
    button.textContent = "Copied";
    button.setAttribute("aria-live", "polite");
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}
