"""What a folder can hold besides files: links, pipes, sockets, attributes; and folders that are none."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from tests.security.forgeries.case import WEIGHTS, Case, forgery


@forgery("a link")
def a_link_to_the_full_folder(folder: Path, case: Case) -> None:
    (folder / "sub").symlink_to(case.full, target_is_directory=True)


@forgery("a link")
def a_hidden_link(folder: Path, case: Case) -> None:
    (folder / ".x").symlink_to(case.full / WEIGHTS)


@forgery("a link")
def a_link_inside_the_folder(folder: Path, case: Case) -> None:
    (folder / "x.safetensors").symlink_to(WEIGHTS)


@forgery("a link")
def a_broken_link_whose_target_is_data(folder: Path, case: Case) -> None:
    (folder / "x").symlink_to(case.raw[:400].hex())


@forgery("a link")
def a_link_to_itself(folder: Path, case: Case) -> None:
    (folder / "x").symlink_to("x")


@forgery("a link")
def a_link_instead_of_a_file(folder: Path, case: Case) -> None:
    path = case.root / f"{folder.name}.elsewhere"
    (folder / WEIGHTS).rename(path)
    (folder / WEIGHTS).symlink_to(path)


@forgery("a link")
def a_link_instead_of_the_manifest(folder: Path, case: Case) -> None:
    path = case.root / f"{folder.name}.manifest"
    (folder / "gradmask.json").rename(path)
    (folder / "gradmask.json").symlink_to(path)


@forgery("a link")
def the_folder_is_a_link(folder: Path, case: Case) -> None:
    path = folder.with_suffix(".target")
    folder.rename(path)
    folder.symlink_to(path, target_is_directory=True)


@forgery("a link")
def the_folder_is_a_link_to_the_full_one(folder: Path, case: Case) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(case.full, target_is_directory=True)


@forgery("a hard link")
def a_hard_link_to_the_full_weights(folder: Path, case: Case) -> None:
    os.link(case.full / WEIGHTS, folder / "x.safetensors")


@forgery("a hard link")
def a_file_with_another_name_elsewhere(folder: Path, case: Case) -> None:
    os.link(folder / WEIGHTS, folder.with_suffix(".other"))


@forgery("a special file", sealable=False)
def a_pipe(folder: Path, case: Case) -> None:
    os.mkfifo(folder / "x")


@forgery("a special file", sealable=False)
def a_pipe_instead_of_the_config(folder: Path, case: Case) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


@forgery("a special file", sealable=False)
def a_socket(folder: Path, case: Case) -> None:
    before = os.getcwd()
    os.chdir(folder)  # the path of a socket may have 108 characters
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind("x")
    finally:
        os.chdir(before)


@forgery("a special file", sealable=False)
def a_pipe_in_a_folder(folder: Path, case: Case) -> None:
    (folder / "deep").mkdir()
    os.mkfifo(folder / "deep/x")


def _attribute(path: Path, value: bytes) -> None:
    try:
        os.setxattr(path, "user.note", value)
    except OSError:  # a file system without attributes
        path.with_name(".note").write_bytes(value)


@forgery("an extended attribute")
def attributes_of_the_weights(folder: Path, case: Case) -> None:
    _attribute(folder / WEIGHTS, case.raw[:2000])


@forgery("an extended attribute")
def attributes_of_the_folder(folder: Path, case: Case) -> None:
    try:
        os.setxattr(folder, "user.note", case.raw[:2000])
    except OSError:
        (folder / ".note").write_bytes(case.raw[:2000])


@forgery("a name that is not text")
def a_name_of_bytes(folder: Path, case: Case) -> None:
    (folder / os.fsdecode(b"x\xff\xfe.json")).write_bytes(case.raw)


@forgery("what is missing", sealable=False)
def an_empty_export(folder: Path, case: Case) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@forgery("what is missing", sealable=False)
def only_the_manifest(folder: Path, case: Case) -> None:
    for path in folder.iterdir():
        if path.name != "gradmask.json":
            path.unlink()


@forgery("what is missing")
def no_generation_config(folder: Path, case: Case) -> None:
    (folder / "generation_config.json").unlink()


@forgery("what is missing")
def no_weights(folder: Path, case: Case) -> None:
    (folder / WEIGHTS).unlink()


@forgery("what is missing", sealable=False)
def no_manifest(folder: Path, case: Case) -> None:
    (folder / "gradmask.json").unlink()
