import init from "{{desk.js}}";

init({ module_or_path: "{{desk.wasm}}" }).catch((error) => {
  console.error(error);
  document.getElementById("boot-wait").hidden = true;
  document.getElementById("boot-failed").hidden = false;
});
