"""What `mapsd serve` may be told: one table, of which its options, file, variables and page are made."""

from mapsd.light import NamedTuple


class Setting(NamedTuple):
    """One setting: how a value is written, and what it says.

    *form* is what a help calls the value and names the reader of it; *default* is written as an argument is, empty
    where there is none; *live* settings change with a reload; *least* and *most* bound a number.
    """

    name: str
    form: str
    default: str
    about: str
    live: bool = False
    least: float = 0
    most: float = 0

    @property
    def option(self) -> str:
        """Return the option of the command line: `--socket-mode`."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """Return the exported variable: `MAPSD_SOCKET_MODE`."""
        return f"MAPSD_{self.name.upper()}"


SETTINGS = (
    Setting("socket", "PATH", "", "the Unix socket to listen at (/run/mapsd/mapsd.sock for root, "
            "$XDG_RUNTIME_DIR/mapsd.sock for others); empty for none"),
    Setting("socket_mode", "MODE", "0600", "its permissions, in octal: whoever may write to it may ask"),
    Setting("socket_group", "GROUP", "", "its group, by name or number"),
    Setting("group", "GROUP", "", "the group whose members see every process", live=True),
    Setting("listen", "HOST:PORT", "", "listen for TCP as well; port 0 takes a free one; needs token_file"),
    Setting("beyond_loopback", "BOOL", "false", "let listen be an address that other machines reach"),
    Setting("token_file", "PATH", "", "the file of the bearer tokens that TCP asks for, one a line, for its owner only",
            live=True),
    Setting("token_user", "USER", "65534", "whose rights a token has, by name or number", live=True),
    Setting("allowed_hosts", "NAME,…", "", "the hosts that a request over TCP may name, without a port, beside "
            "localhost, 127.0.0.1 and [::1]", live=True),
    Setting("allowed_origins", "ORIGIN,…", "", "the web origins whose pages may ask over TCP, such as "
            "https://maps.example", live=True),
    Setting("tls_certificate", "PATH", "", "the certificate chain, PEM; TCP then is TLS"),
    Setting("tls_key", "PATH", "", "its private key, where it is not in the same file"),
    Setting("tls_client_ca", "PATH", "", "ask clients for a certificate that one of these authorities signed, PEM"),
    Setting("procfs", "PATH", "/proc", "where the processes to answer for are mounted"),
    Setting("host_root", "PATH", "", "where the files of the host are reached (the root of that procfs's first "
            "process)"),
    Setting("lookups", "COUNT", "2", "lookups at the same time", least=1, most=64),
    Setting("waiting", "COUNT", "64", "lookups that wait for their turn; further ones are told to come again",
            least=0, most=10_000),
    Setting("connections", "COUNT", "512", "connections at the same time; further ones are told to come again",
            live=True, least=1, most=100_000),
    Setting("body_limit", "BYTES", "1048576", "the longest body of a request", live=True, least=1024, most=1 << 30),
    Setting("page_size", "COUNT", "1000", "the most that one page of a list holds", least=1, most=100_000),
    Setting("watch_interval", "SECONDS", "1", "how often processes are looked at for events", least=0.1, most=3600),
    Setting("drain", "SECONDS", "10", "how long requests may go on when the daemon is to end", live=True,
            least=0, most=3600),
    Setting("audit", "WHERE", "stderr", "where looks across users are noted: stderr, off, or the path of a file"),
)
