/* A confirmed command goes through the API with this session's token, never through the page's own socket. */
async function harnessCommand(run, action, who) {
  const token = document.querySelector('meta[name="harness-token"]').content;
  try {
    const answer = await fetch(`/api/runs/${encodeURIComponent(run)}/${encodeURIComponent(action)}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Harness-Token": token },
      body: JSON.stringify({ who }),
    });
    const body = await answer.json();
    return { ok: answer.ok, detail: body.detail || "" };
  } catch (error) {
    return { ok: false, detail: `The data server did not answer (${error}); whether ${action} was done is unknown.` };
  }
}
