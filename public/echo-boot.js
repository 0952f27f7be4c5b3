import init from "{{echo.js}}";

init({ module_or_path: "{{echo.wasm}}" }).catch((error) => {
  console.error(error);
  document.getElementById("boot-wait").hidden = true;
  document.getElementById("boot-failed").hidden = false;
});
