# What wixl 0.101 cannot say: rows of the installer's tables, one statement a line, in the SQL of Windows Installer.
# @VERSION@ is the version of the programs.

# Directory on PATH. In Name: = create, - remove with the component, * of the machine. In Value: appended to what is there.
CREATE TABLE `Environment` (`Environment` CHAR(72) NOT NULL, `Name` CHAR(255) NOT NULL LOCALIZABLE, `Value` CHAR(255) LOCALIZABLE, `Component_` CHAR(72) NOT NULL PRIMARY KEY `Environment`)
INSERT INTO `Environment` (`Environment`, `Name`, `Value`, `Component_`) VALUES ('Path', '=-*PATH', '[~];[INSTALLDIR]', 'PathEntry')
INSERT INTO `InstallExecuteSequence` (`Action`, `Sequence`) VALUES ('RemoveEnvironmentStrings', 3300)
INSERT INTO `InstallExecuteSequence` (`Action`, `Sequence`) VALUES ('WriteEnvironmentStrings', 5200)

# The programs have a version, which wixl does not look for. A file without one never replaces a file with one, so that
# Windows would pass over the programs of a newer installer, and then remove the old ones.
UPDATE `File` SET `Version` = '@VERSION@', `Language` = '0' WHERE `File` = 'LanchatExe'
UPDATE `File` SET `Version` = '@VERSION@', `Language` = '0' WHERE `File` = 'LanchatdExe'
DELETE FROM `MsiFileHash` WHERE `File_` = 'LanchatExe'
DELETE FROM `MsiFileHash` WHERE `File_` = 'LanchatdExe'

# The old version goes before the new one comes, in one transaction: if that fails, the old one is back.
UPDATE `InstallExecuteSequence` SET `Sequence` = 1525 WHERE `Action` = 'RemoveExistingProducts'

# A service that cannot be installed fails the installation (32768), and is not passed over.
UPDATE `ServiceInstall` SET `ErrorControl` = 32769 WHERE `ServiceInstall` = 'LanchatdInstall'

# Types of actions: 34 runs a program; 1024 when the installation is carried out, 2048 as the system; 64 goes on if it
# fails; 256 if the installation is taken back.

# The data holds messages and the key of the server. ProgramData lets every user read, and make folders that they own:
# owner and rights are set back, then given to the system, the administrators and the LocalService account alone.
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('OwnData', 3106, 'DATADIR', '"[System64Folder]icacls.exe" "[CommonAppDataFolder]lanchat" /setowner *S-1-5-32-544 /T /C /Q')
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('ResetData', 3106, 'DATADIR', '"[System64Folder]icacls.exe" "[CommonAppDataFolder]lanchat" /reset /T /C /Q')
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('ProtectData', 3106, 'DATADIR', '"[System64Folder]icacls.exe" "[CommonAppDataFolder]lanchat" /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F *S-1-5-19:(OI)(CI)F /Q')
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('OwnData', '&ServiceFeature=3', 3710)
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('ResetData', '&ServiceFeature=3', 3720)
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('ProtectData', '&ServiceFeature=3', 3730)

# What others may reach, in networks alone that somebody has called private or that are a domain's. With the feature the
# rules come and go. They are always taken away first, for a repair too: netsh adds a rule that is there a second time.
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('CloseTcp', 3170, 'INSTALLDIR', '"[System64Folder]netsh.exe" advfirewall firewall delete rule name="lanchat server (TCP 7072)" program="[INSTALLDIR]lanchatd.exe"')
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('CloseUdp', 3170, 'INSTALLDIR', '"[System64Folder]netsh.exe" advfirewall firewall delete rule name="lanchat server (mDNS)" program="[INSTALLDIR]lanchatd.exe"')
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('UndoTcp', 3426, 'INSTALLDIR', '"[System64Folder]netsh.exe" advfirewall firewall delete rule name="lanchat server (TCP 7072)" program="[INSTALLDIR]lanchatd.exe"')
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('UndoUdp', 3426, 'INSTALLDIR', '"[System64Folder]netsh.exe" advfirewall firewall delete rule name="lanchat server (mDNS)" program="[INSTALLDIR]lanchatd.exe"')
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('OpenTcp', 3106, 'INSTALLDIR', '"[System64Folder]netsh.exe" advfirewall firewall add rule name="lanchat server (TCP 7072)" dir=in action=allow program="[INSTALLDIR]lanchatd.exe" protocol=TCP localport=7072 profile=private,domain')
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('OpenUdp', 3106, 'INSTALLDIR', '"[System64Folder]netsh.exe" advfirewall firewall add rule name="lanchat server (mDNS)" dir=in action=allow program="[INSTALLDIR]lanchatd.exe" protocol=UDP localport=5353 profile=private,domain')
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('CloseTcp', '&ServiceFeature=2 OR &ServiceFeature=3', 1950)
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('CloseUdp', '&ServiceFeature=2 OR &ServiceFeature=3', 1960)
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('UndoTcp', '&ServiceFeature=3', 5810)
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('UndoUdp', '&ServiceFeature=3', 5820)
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('OpenTcp', '&ServiceFeature=3', 5830)
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('OpenUdp', '&ServiceFeature=3', 5840)

# A server that ends by itself, with an error too, is started again, as by systemd.
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('RestartDelays', 3170, 'INSTALLDIR', '"[System64Folder]sc.exe" failure lanchatd reset= 3600 actions= restart/2000/restart/10000/restart/60000')
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('RestartOnError', 3170, 'INSTALLDIR', '"[System64Folder]sc.exe" failureflag lanchatd 1')
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('RestartDelays', '&ServiceFeature=3', 5850)
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('RestartOnError', '&ServiceFeature=3', 5860)
