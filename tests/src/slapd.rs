//! A real directory: `slapd` of `OpenLDAP`, on a loopback address, with TLS and a certificate of its own.

use core::time::Duration;
use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use tokio::net::TcpStream;

use crate::{
    Workspace,
    gateway::own_address,
    patiently,
    process::{self, Process, Stdout},
};

/// It is looked at this often until it listens.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What it takes.
pub const SLAPD: [&str; 3] = ["slapd", "slapadd", "ldapdelete"];
/// Below which the users are.
pub const PEOPLE: &str = "ou=people,dc=example,dc=org";
/// Who may read, and the password.
pub const READER: (&str, &str) = ("cn=admin,dc=example,dc=org", "reader's secret");

/// The directory.
#[derive(Debug)]
pub struct Slapd {
    process: Process,
    address: SocketAddr,
    certificate: PathBuf,
}

impl Slapd {
    /// A directory with these people: `uid`, `cn`, `mail` and password; empty ones are left out.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(workspace: &Workspace, people: &[[&str; 4]]) -> Result<Self> {
        let folder = workspace.join("slapd");
        fs::create_dir_all(folder.join("db"))?;
        let address = own_address();
        let own = rcgen::generate_simple_self_signed([address.ip().to_string()])?;
        let certificate = folder.join("cert.pem");
        fs::write(&certificate, own.cert.pem())?;
        fs::write(folder.join("key.pem"), own.signing_key.serialize_pem())?;
        let configuration = folder.join("slapd.conf");
        fs::write(&configuration, configured(&folder))?;
        let ldif = folder.join("people.ldif");
        fs::write(&ldif, entries(people)?)?;
        let mut add = Command::new("/usr/sbin/slapadd");
        add.arg("-f").arg(&configuration).arg("-l").arg(&ldif);
        let added = process::output(add, b"")?;
        if !added.status.success() {
            bail!("slapadd: {}", String::from_utf8_lossy(&added.stderr));
        }
        let mut command = Command::new("/usr/sbin/slapd");
        command
            .args(["-d", "none", "-h", &format!("ldap://{address}/"), "-f"])
            .arg(&configuration);
        let process = Process::spawn("slapd", command, &workspace.logs(), Stdout::Log, None)?;
        let ready = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            while TcpStream::connect(address).await.is_err() {
                looks.tick().await;
            }
        };
        patiently("slapd", ready).with_context(|| process.log())?;
        Ok(Self {
            process,
            address,
            certificate,
        })
    }

    /// Where it is; TLS begins with `StartTLS`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// Its certificate, PEM.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Takes somebody out.
    ///
    /// # Errors
    ///
    /// It refuses.
    pub fn remove(&self, user: &str) -> Result<()> {
        let mut command = Command::new("/usr/bin/ldapdelete");
        command
            .args(["-x", "-H", &self.url(), "-D", READER.0, "-w", READER.1])
            .arg(format!("uid={user},{PEOPLE}"));
        let done = process::output(command, b"")?;
        if !done.status.success() {
            bail!("ldapdelete: {}", String::from_utf8_lossy(&done.stderr));
        }
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// It does not end.
    pub fn stop(mut self) -> Result<()> {
        self.process.terminate().map(drop)
    }
}

fn configured(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "include /etc/ldap/schema/core.schema\n\
         include /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\n\
         modulepath /usr/lib/ldap\nmoduleload back_mdb\n\
         TLSCertificateFile {folder}/cert.pem\nTLSCertificateKeyFile {folder}/key.pem\n\
         # Who speaks in the clear is not heard.\nsecurity simple_bind=0\n\
         database mdb\nsuffix \"dc=example,dc=org\"\ndirectory {folder}/db\n\
         rootdn \"{}\"\nrootpw \"{}\"\n\
         access to attrs=userPassword by anonymous auth by * none\naccess to * by * none\n",
        READER.0, READER.1
    )
}

fn entries(people: &[[&str; 4]]) -> Result<String> {
    let mut ldif = format!(
        "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n\
         dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: people\n"
    );
    for [user, name, mail, password] in people {
        write!(
            ldif,
            "\ndn: uid={user},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: {user}\ncn: {name}\nsn: {name}\n"
        )?;
        for (attribute, value) in [("mail", mail), ("userPassword", password)] {
            if !value.is_empty() {
                writeln!(ldif, "{attribute}: {value}")?;
            }
        }
    }
    Ok(ldif)
}
