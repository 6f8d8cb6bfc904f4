"""A project's folder in which the tests run ``ampere secrets``."""

from ampere_infra import cli
from ampere_infra.secrets import sops


class Project:
    """A folder, and what the command says there."""

    def __init__(self, folder, capfd):
        self.folder, self.capfd = folder, capfd
        self.home, self.api = (folder / f"secrets/{name}.enc.yaml" for name in ("home", "api"))

    def run(self, *arguments, status=0):
        code = cli.main(["secrets", *map(str, arguments), "--folder", str(self.folder)])
        shown = self.capfd.readouterr()
        text = shown.out + shown.err
        assert code == status, text
        assert "Traceback" not in text
        for path in (self.home, self.api):
            self._holds_no_value(text, path)
        return text

    def _holds_no_value(self, text, path):
        try:
            held = sops.decrypt(path)
        except sops.SecretsError:
            return
        assert not any(str(value) in text for value in held.values()), "no value is ever shown"

    @property
    def files(self):
        return {str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file()}
