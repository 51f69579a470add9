// What the page changes in dev.

/** Sends a change to dev, which tells all pages when it is made. The result is "", or why it was not made. */
export async function change(name, document) {
  try {
    const response = await fetch(name, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(document) });
    return response.ok ? "" : (await response.text()).trim();
  } catch {
    return "dev does not answer";
  }
}
