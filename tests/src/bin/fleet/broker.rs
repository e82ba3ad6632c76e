//! One subscriber of a message broker: as little as the protocol allows.

use core::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{CONNECT, Roll};

pub(crate) struct Client {
    pub(crate) number: u32,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Arc<ClientConfig>,
}

impl Client {
    /// NATS: one subscription, held for good.
    pub(crate) async fn nats(self, roll: &Roll) -> Result<()> {
        let place = roll.places.acquire().await?;
        roll.begins();
        let mut stream = timeout(CONNECT, Box::pin(self.nats_subscribed())).await??;
        drop(place);
        roll.joins()?;
        let mut line = [0; 512];
        loop {
            let read = stream.read(&mut line).await?;
            ensure!(read > 0, "the server closed a connection");
            // What it sends to an idle client is a ping.
            stream.write_all(b"PONG\r\n").await?;
        }
    }

    async fn nats_subscribed(&self) -> Result<TlsStream<TcpStream>> {
        // It greets before TLS.
        let mut tcp = BufReader::with_capacity(1024, TcpStream::connect(self.address).await?);
        let mut greeting = String::new();
        tcp.read_line(&mut greeting).await?;
        ensure!(greeting.starts_with("INFO "), "no NATS: {greeting}");
        let mut stream = self.secured(tcp.into_inner()).await?;
        let words = format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"name\":\"fleet\",\"lang\":\"rust\",\
             \"version\":\"1\",\"protocol\":1}}\r\nSUB agent.{} 1\r\nPING\r\n",
            self.number
        );
        stream.write_all(words.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"PONG\r\n") {
            let read = stream.read_buf(&mut answer).await?;
            ensure!(read > 0 && answer.len() < 4096, "no PONG");
        }
        Ok(stream)
    }

    /// MQTT 3.1.1: one subscription that asks for acknowledged delivery (`QoS` 1), held for good.
    pub(crate) async fn mqtt(self, roll: &Roll) -> Result<()> {
        let place = roll.places.acquire().await?;
        roll.begins();
        let mut stream = timeout(CONNECT, Box::pin(self.mqtt_subscribed())).await??;
        drop(place);
        roll.joins()?;
        let mut packet = [0; 64];
        let read = stream.read(&mut packet).await?;
        ensure!(read > 0, "the server closed a connection");
        Ok(())
    }

    async fn mqtt_subscribed(&self) -> Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.address).await?;
        let mut stream = self.secured(tcp).await?;
        let client = format!("fleet{}", self.number);
        let mut connect = Vec::new();
        text(&mut connect, "MQTT")?;
        // Level 4, clean session, no keep-alive.
        connect.extend([4, 2, 0, 0]);
        text(&mut connect, &client)?;
        stream.write_all(&packet(0x10, &connect)?).await?;
        let mut accepted = [0; 4];
        stream.read_exact(&mut accepted).await?;
        ensure!(accepted == [0x20, 2, 0, 0], "no CONNACK: {accepted:?}");
        let mut subscribe = vec![0, 1];
        text(&mut subscribe, &format!("agent/{}", self.number))?;
        subscribe.push(1);
        stream.write_all(&packet(0x82, &subscribe)?).await?;
        let mut granted = [0; 5];
        stream.read_exact(&mut granted).await?;
        ensure!(granted == [0x90, 3, 0, 1, 1], "no SUBACK: {granted:?}");
        Ok(stream)
    }

    async fn secured(&self, tcp: TcpStream) -> Result<TlsStream<TcpStream>> {
        tcp.set_nodelay(true)?;
        let name = ServerName::IpAddress(self.address.ip().into());
        TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, tcp)
            .await
            .context("TLS")
    }
}

fn packet(kind: u8, rest: &[u8]) -> Result<Vec<u8>> {
    let length = u8::try_from(rest.len())?;
    ensure!(length < 128, "a packet of one length byte");
    Ok([&[kind, length], rest].concat())
}

fn text(packet: &mut Vec<u8>, text: &str) -> Result<()> {
    packet.extend(u16::try_from(text.len())?.to_be_bytes());
    packet.extend(text.as_bytes());
    Ok(())
}
