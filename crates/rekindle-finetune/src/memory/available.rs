//! How much memory this process may still take, and what it has: of the machine, and of the control groups that containers and batch
//! systems put it into.

use std::fs;
use std::path::{Path, PathBuf};

/// The bytes that this process can have in all, those that it has included; none where the system does not tell.
pub fn available_memory() -> Option<u64> {
    available_in(Path::new("/"))
}

/// From the files of a system with this root.
fn available_in(root: &Path) -> Option<u64> {
    let own = kilobytes(&read(root, "proc/self/status")?, "VmRSS:")?;
    let machine = kilobytes(&read(root, "proc/meminfo")?, "MemAvailable:")?;
    let groups = groups(root);
    let free = groups.into_iter().filter_map(|group| free_in(&group));
    Some(own + free.fold(machine, u64::min))
}

fn read(root: &Path, path: &str) -> Option<String> {
    fs::read_to_string(root.join(path)).ok()
}

/// A line such as `VmRSS:  2048 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number << 10)
}

/// The folders of the control groups that bound this process's memory: its own and those around it.
fn groups(root: &Path) -> Vec<PathBuf> {
    let text = read(root, "proc/self/cgroup").unwrap_or_default();
    let mut found = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next(), parts.next(), parts.next());
        let base = match controllers {
            // Version 2.
            Some("") => root.join("sys/fs/cgroup"),
            Some(list) if list.split(',').any(|name| name == "memory") => {
                root.join("sys/fs/cgroup/memory")
            }
            _ => continue,
        };
        let path = path.unwrap_or_default().trim_start_matches('/');
        // In a container the path may be that outside; the folder that is there is the container's own then.
        for group in Path::new(path).ancestors() {
            found.push(base.join(group));
        }
    }
    found
}

/// The bytes that may be taken in a group; none where it has no bound.
fn free_in(group: &Path) -> Option<u64> {
    let number = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(group.join(name)).ok()?;
        text.trim().parse().ok()
    };
    let bound = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
    // Files that were read are given up when memory is needed.
    let statistics = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let files = ["total_inactive_file ", "inactive_file "]
        .iter()
        .find_map(|name| {
            let line = statistics
                .lines()
                .find_map(|line| line.strip_prefix(name))?;
            line.trim().parse::<u64>().ok()
        });
    Some(bound.saturating_sub(used.saturating_sub(files.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let always = [
            ("proc/self/status", "Name:\tx\nVmRSS:\t 1024 kB\n"),
            ("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:   4096 kB\n"),
        ];
        for (path, text) in always.iter().chain(files) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_narrowest_bound_counts() {
        let available = |files: &[(&str, &str)]| available_in(system(files).path());
        assert_eq!(available(&[]), Some(5 << 20));
        let group = ("proc/self/cgroup", "0::/a/b\n");
        let wide = [
            group,
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.current", "5\n"),
        ];
        assert_eq!(available(&wide), Some(5 << 20));
        let narrow = [
            group,
            ("sys/fs/cgroup/a/memory.max", "3145728\n"),
            ("sys/fs/cgroup/a/memory.current", "2097152\n"),
            (
                "sys/fs/cgroup/a/memory.stat",
                "anon 5\ninactive_file 1048576\n",
            ),
        ];
        assert_eq!(available(&narrow), Some(3 << 20));
        let first = [
            ("proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/1\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1048576\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1048000\n"),
        ];
        assert_eq!(available(&first), Some((1 << 20) + 576));
    }

    #[test]
    fn a_system_that_does_not_tell_is_no_bound() {
        assert_eq!(available_in(Path::new("/nowhere")), None);
    }
}
