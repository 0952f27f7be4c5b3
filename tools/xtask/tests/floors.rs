//! Holds the floors of ARCHITECTURE.md against what cargo knows.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Rooms by the floor they stand on.
type Floors = BTreeMap<String, u32>;

/// A room and the rooms it is built on, by what the arrow is for.
struct Arrow {
    from: String,
    to: String,
    for_tests: bool,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("xtask stands in tools/").to_path_buf()
}

/// Reads the table under `## Floors`: lines `| 2 | sip media | … |`.
fn floors() -> Floors {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let section = text.split("\n## ").find(|section| section.starts_with("Floors\n")).expect("it has floors");
    let mut floors = Floors::new();
    for line in section.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let Ok(floor) = cells[1].parse() else { continue };
        for room in cells[2].split_whitespace() {
            let room = room.trim_matches('`').to_owned();
            assert!(floors.insert(room.clone(), floor).is_none(), "{room} stands on two floors");
        }
    }
    floors
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline", "--filter-platform=x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> &str {
    value.as_str().expect("cargo gives a text here")
}

/// The packages of the workspace but the tools: their cargo ids, by the room's name, which is its folder's.
fn rooms(metadata: &Value) -> BTreeMap<String, String> {
    let members: BTreeSet<&str> = list(&metadata["workspace_members"]).map(word).collect();
    let mut rooms = BTreeMap::new();
    for package in list(&metadata["packages"]).filter(|package| members.contains(word(&package["id"]))) {
        let folder =
            Path::new(word(&package["manifest_path"])).parent().expect("a manifest stands in a folder");
        if folder.starts_with(root().join("tools")) {
            continue;
        }
        let room = folder.file_name().and_then(|name| name.to_str()).expect("the folder has a name");
        rooms.insert(room.to_owned(), word(&package["id"]).to_owned());
    }
    rooms
}

/// Every dependency of a room on a room.
fn arrows(metadata: &Value) -> Vec<Arrow> {
    let by_id: HashMap<String, String> = rooms(metadata).into_iter().map(|(room, id)| (id, room)).collect();
    let mut arrows = Vec::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        let Some(from) = by_id.get(word(&node["id"])) else { continue };
        for dependency in list(&node["deps"]) {
            let Some(to) = by_id.get(word(&dependency["pkg"])) else { continue };
            for kind in list(&dependency["dep_kinds"]) {
                arrows.push(Arrow { from: from.clone(), to: to.clone(), for_tests: kind["kind"] == "dev" });
            }
        }
    }
    arrows
}

/// All packages that a package needs to run or to be built, but not those of its tests.
fn below<'a>(metadata: &'a Value, id: &'a str) -> HashSet<&'a str> {
    let nodes: HashMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).map(|node| (word(&node["id"]), node)).collect();
    let mut seen = HashSet::from([id]);
    let mut next = vec![id];
    while let Some(id) = next.pop() {
        for dependency in list(&nodes[id]["deps"]) {
            let linked = list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null());
            if linked && seen.insert(word(&dependency["pkg"])) {
                next.push(word(&dependency["pkg"]));
            }
        }
    }
    seen
}

#[test]
fn every_room_stands_on_a_floor_and_every_floor_has_only_rooms() {
    let named: BTreeSet<String> = floors().into_keys().collect();
    let built: BTreeSet<String> = rooms(&metadata()).into_keys().collect();
    assert_eq!(named, built, "left: ARCHITECTURE.md, right: cargo");
}

#[test]
fn arrows_run_down_only() {
    let floors = floors();
    let wrong: Vec<String> = arrows(&metadata())
        .into_iter()
        // Stories join rooms: a room's tests may use the testkit and what that joins.
        .filter(|arrow| !arrow.for_tests)
        .filter(|arrow| arrow.from != arrow.to && floors[&arrow.from] <= floors[&arrow.to])
        .map(|arrow| {
            format!("{} ({}) → {} ({})", arrow.from, floors[&arrow.from], arrow.to, floors[&arrow.to])
        })
        .collect();
    assert!(wrong.is_empty(), "rooms know only rooms of lower floors: {wrong:?}");
}

#[test]
fn nothing_but_tests_knows_the_testkit() {
    let users: Vec<String> = arrows(&metadata())
        .into_iter()
        .filter(|arrow| arrow.to == "testkit" && !arrow.for_tests)
        .map(|arrow| arrow.from)
        .collect();
    assert!(users.is_empty(), "{users:?} link the testkit");
}

#[test]
fn the_engines_carry_no_runtime() {
    let metadata = metadata();
    let floors = floors();
    let runtimes: HashSet<&str> = list(&metadata["packages"])
        .filter(|package| ["tokio", "mio", "async-std", "smol"].contains(&word(&package["name"])))
        .map(|package| word(&package["id"]))
        .collect();
    assert!(!runtimes.is_empty(), "the server uses tokio, so cargo knows of it");
    for (room, id) in rooms(&metadata) {
        if floors[&room] <= 4 && room != "store-sql" {
            let carried: Vec<_> =
                below(&metadata, &id).into_iter().filter(|id| runtimes.contains(id)).collect();
            assert!(carried.is_empty(), "{room} carries {carried:?}");
        }
    }
}
